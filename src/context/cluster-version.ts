/**
 * What the gateways of a cluster may say to one another and write into the log: that of the oldest build among them. The version is agreed in the log, and
 * rises when every member has said that its build knows the next one; it never falls. A build says which versions it knows.
 *
 *     1  the commands, messages and records of the first release
 *     2  addresses that are kept for those who had them (`reserve-addresses`, the records `cluster` and `reserved` of checkpoints); when sessions began
 *        and what they carried (`account`, version 3 of the record `motion`); which gateways had them, since when, and for how long they stood still as they
 *        changed hands (`interruptions`, the stamp of `transfer`, version 4 of `motion`, version 3 of `gateways`); the sealing key that is agreed on
 *        (`set-sealing-key`, `reseal-vpn`, `reseal-sessions`, the record `sealing`)
 */

export const oldestClusterVersion = 1
export const newestClusterVersion = 2
