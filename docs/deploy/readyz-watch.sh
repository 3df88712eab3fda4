#!/bin/sh
# Announces the cluster address by BIRD while this gateway may be sent traffic, and withdraws it when it may not.
#
#   readyz-watch.sh                      beside the gateway, as a service of its own; needs curl, and BIRD's control socket
#
# EVPC_READYZ: what is asked (http://127.0.0.1:7480/readyz). EVPC_PROTOCOL: BIRD's protocol with the address (evpc), which bird.conf
# begins as `disabled`. EVPC_INTERVAL: seconds between two questions (0.2). BIRDC: the command (birdc).
#
# No answer within a second counts as no, and so does the end of this script. What it cannot do is to withdraw when it is killed itself:
# let systemd restart it (Restart=always); it withdraws first and then asks.
set -u
url=${EVPC_READYZ:-http://127.0.0.1:7480/readyz}
protocol=${EVPC_PROTOCOL:-evpc}
interval=${EVPC_INTERVAL:-0.2}
birdc=${BIRDC:-birdc}
state=unknown

set_state() {
  [ "$1" != "$state" ] || return 0
  # Until BIRD has answered: a signal may come between.
  state=unknown
  # birdc ends with 0 whatever BIRD says. "already enabled" is as good.
  answer=$($birdc "$1" "$protocol" 2>&1)
  case $answer in
    *"$protocol: "*abled*) state=$1; echo "$protocol: $1" ;;
    *) echo "birdc: $answer" >&2 ;;
  esac
}

trap 'set_state disable; exit 0' INT TERM HUP
trap 'set_state disable' EXIT
set_state disable
while :; do
  if curl --silent --fail --noproxy '*' --max-time 1 --output /dev/null "$url"; then set_state enable; else set_state disable; fi
  sleep "$interval"
done
