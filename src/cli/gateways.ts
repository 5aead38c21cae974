/**
 * Which of several addresses lead to the same Gateway. Pure.
 */
import type { Looked } from "./probeTarget.ts"

export interface OneGateway {
  readonly targetIds: ReadonlyArray<string>
  readonly deviceId: string | undefined
  /** It proved that by its own key at each of the addresses where it was asked. */
  readonly proven: boolean
  readonly tlsFingerprints: ReadonlyArray<string>
}

const keysOf = ({ identity, tlsFingerprint }: Looked): ReadonlyArray<string> => [
  ...(identity === undefined ? [] : [`id ${identity.deviceId}`]),
  ...(tlsFingerprint === undefined ? [] : [`tls ${tlsFingerprint}`])
]

interface Group {
  readonly keys: ReadonlySet<string>
  readonly members: ReadonlyArray<Looked>
}

/** Two addresses are one Gateway's where the same identity, or the holder of the same certificate's key, answers. */
export const gatewaysOf = (all: ReadonlyArray<Looked>): ReadonlyArray<OneGateway> => {
  let groups: ReadonlyArray<Group> = []
  for (const looked of all) {
    if (!looked.heard) continue
    const keys = keysOf(looked)
    // Who shows two identities is two Gateways, whatever certificate is in front of them.
    const id = looked.identity === undefined ? undefined : `id ${looked.identity.deviceId}`
    const fits = ({ keys: known }: Group) =>
      keys.some((key) => known.has(key)) &&
      (id === undefined || known.has(id) || !Array.from(known).some((key) => key.startsWith("id ")))
    const same = groups.filter(fits)
    const members = [...same.flatMap((group) => group.members), looked]
    groups = [...groups.filter((group) => !same.includes(group)), { members, keys: new Set(members.flatMap(keysOf)) }]
  }
  return groups.map(({ members }) => ({
    targetIds: members.map(({ candidate }) => candidate.id),
    deviceId: members.find(({ identity }) => identity !== undefined)?.identity?.deviceId,
    proven:
      members.some(({ identity }) => identity !== undefined) &&
      members.every(({ identity }) => identity?.proven !== false),
    tlsFingerprints: Array.from(new Set(members.flatMap(({ tlsFingerprint }) => tlsFingerprint ?? [])))
  }))
}
