/**
 * How many peers there may be at a time: TCP connections of an address that said nothing of use yet, sockets in the
 * handshake, sockets in all. One address that opens connections and is silent takes no place from the others.
 */
import type { GatewayLimits } from "./options.ts"

const LOCAL_FACTOR = 16
/** And this many times the handshakes, which still leaves others a quarter of them by default. */
const LOCAL_HANDSHAKES = 3

export type CapLimits = Pick<
  GatewayLimits,
  "maxConnections" | "maxPreauth" | "maxPreauthPerAddress" | "maxUnknownPerAddress"
>

/** Counts by key; what falls to zero is forgotten. */
const counter = () => {
  const counts = new Map<string, number>()
  return {
    of: (key: string) => counts.get(key) ?? 0,
    up: (key: string) => void counts.set(key, (counts.get(key) ?? 0) + 1),
    down: (key: string) => {
      const left = (counts.get(key) ?? 1) - 1
      if (left <= 0) counts.delete(key)
      else counts.set(key, left)
    }
  }
}

export interface Caps {
  /** Counts a TCP connection until `forget`; `false` when its address has too many. */
  readonly admit: (connection: object, key: string, local: boolean) => boolean
  /** The connection is authenticated, or gone. */
  readonly forget: (connection: object) => void
  /** Whether an upgrade from this address finds no place. */
  readonly refuses: (key: string, local: boolean) => boolean
  /** An upgrade; followed by one `authenticated` and one `leave`. */
  readonly enter: (key: string) => void
  /** The handshake is over, however it ended. */
  readonly authenticated: (key: string) => void
  readonly leave: () => void
}

export const make = (limits: CapLimits): Caps => {
  const unknown = counter()
  const pending = counter()
  const keys = new WeakMap<object, string>()
  let inHandshake = 0
  let open = 0
  return {
    admit: (connection, key, local) => {
      if (unknown.of(key) >= limits.maxUnknownPerAddress * (local ? LOCAL_FACTOR : 1)) return false
      keys.set(connection, key)
      unknown.up(key)
      return true
    },
    forget: (connection) => {
      const key = keys.get(connection)
      if (key !== undefined) unknown.down(key)
      keys.delete(connection)
    },
    refuses: (key, local) =>
      open >= limits.maxConnections ||
      inHandshake >= limits.maxPreauth ||
      pending.of(key) >= limits.maxPreauthPerAddress * (local ? LOCAL_HANDSHAKES : 1),
    enter: (key) => {
      open++
      inHandshake++
      pending.up(key)
    },
    authenticated: (key) => {
      inHandshake--
      pending.down(key)
    },
    leave: () => {
      open--
    }
  }
}
