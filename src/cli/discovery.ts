/**
 * Gateways that this machine's networks tell of, for commands that show them.
 */
import * as Effect from "effect/Effect"
import { type Beacon } from "../client/discovery/beacon.ts"
import { browse } from "../client/discovery/browse.ts"
import { MulticastUnavailable } from "../services/Multicast.ts"
import * as MulticastLayer from "../layers/discovery/Multicast.ts"

export type { Beacon }

/** Takes as long as the timeout says. */
export const discovered = (timeoutMs: number) => Effect.provide(browse(timeoutMs), MulticastLayer.layer)

const numberOf = (text: string | undefined): number | undefined => (text === undefined ? undefined : Number(text))

/** OpenClaw's field names; what was not said is not there. */
export const beaconJson = ({ addresses, displayName, domain, host, instanceName, port, txt, wsUrl }: Beacon) => ({
  instanceName,
  displayName,
  domain,
  host,
  port,
  addresses,
  wsUrl,
  lanHost: txt.lanHost,
  tailnetDns: txt.tailnetDns,
  gatewayPort: numberOf(txt.gatewayPort),
  sshPort: numberOf(txt.sshPort),
  gatewayTls: txt.gatewayTls !== undefined,
  gatewayTlsFingerprintSha256: txt.gatewayTlsSha256,
  gatewayDirectReachable: txt.gatewayDirectReachable !== undefined,
  role: txt.role,
  transport: txt.transport,
  cliPath: txt.cliPath,
  txt
})

/** Said once for each network that could not be asked. */
export const problemsOf = (problems: ReadonlyArray<MulticastUnavailable>): ReadonlyArray<string> =>
  problems.map(({ message }) => message)
