/** What a session has carried, in ESP packets and their octets on the wire. */

export interface Traffic {
  readonly packetsIn: number
  readonly packetsOut: number
  readonly octetsIn: number
  readonly octetsOut: number
}

export const noTraffic: Traffic = { packetsIn: 0, packetsOut: 0, octetsIn: 0, octetsOut: 0 }

export function addTraffic(a: Traffic, b: Traffic): Traffic {
  return combine(a, b, 1)
}

export function lessTraffic(a: Traffic, b: Traffic): Traffic {
  return combine(a, b, -1)
}

export function isNoTraffic({ packetsIn, packetsOut }: Traffic): boolean {
  return packetsIn === 0 && packetsOut === 0
}

function combine(a: Traffic, b: Traffic, sign: 1 | -1): Traffic {
  return {
    packetsIn: a.packetsIn + sign * b.packetsIn,
    packetsOut: a.packetsOut + sign * b.packetsOut,
    octetsIn: a.octetsIn + sign * b.octetsIn,
    octetsOut: a.octetsOut + sign * b.octetsOut,
  }
}
