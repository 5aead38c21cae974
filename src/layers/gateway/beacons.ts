/**
 * Who is present without a connection: what `system-event` told of machines, for a few minutes each.
 */
import type { PresenceEntry } from "../../protocol/Presence.ts"

const TTL_MS = 5 * 60_000
const MAX_ENTRIES = 200

export type Beacon = Omit<PresenceEntry, "ts">

/** What makes two of them one. */
const keyOf = ({ deviceId, host, instanceId, text }: Beacon): string =>
  (deviceId ?? instanceId ?? host ?? text ?? "").toLowerCase()

/** What is worth telling when it changes. */
const factsOf = ({ host, ip, mode, version }: Beacon): string => JSON.stringify([host, ip, version, mode])

export interface Beacons {
  /** Whether it is new, or other than what was known. */
  readonly put: (beacon: Beacon, now: number) => boolean
  /** Newest first. */
  readonly all: (now: number) => ReadonlyArray<PresenceEntry>
}

export const make = (): Beacons => {
  const entries = new Map<string, PresenceEntry>()
  const prune = (now: number) => {
    for (const [key, { ts }] of entries) if (now - ts > TTL_MS) entries.delete(key)
  }
  return {
    put: (beacon, now) => {
      prune(now)
      const key = keyOf(beacon)
      const before = entries.get(key)
      const after = { ...before, ...beacon, ts: now }
      entries.delete(key)
      entries.set(key, after)
      const [oldest] = entries.keys()
      if (entries.size > MAX_ENTRIES && oldest !== undefined) entries.delete(oldest)
      return before === undefined || factsOf(before) !== factsOf(after)
    },
    all: (now) => {
      prune(now)
      return [...entries.values()].reverse()
    }
  }
}
