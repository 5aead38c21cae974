import * as Console from "effect/Console"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import * as DeviceIdentity from "../../../client/DeviceIdentity.ts"
import * as DeviceTokens from "../../../client/DeviceTokens.ts"
import { reached } from "../../tunnel.ts"
import { VERSION } from "../../../domain/Version.ts"
import * as SupervisorLayer from "../../../layers/Supervisor.ts"
import { ExecApprovals } from "../../../node-host/ExecApprovals.ts"
import { HostInfo } from "../../../node-host/HostInfo.ts"
import { InvokeMemory } from "../../../node-host/InvokeMemory.ts"
import * as NodeHost from "../../../node-host/NodeHost.ts"
import { Environment } from "../../Environment.ts"
import { Json } from "../../globals.ts"
import { endsByStopping } from "../../lifetime.ts"
import * as Log from "../../logger.ts"
import { lines } from "../../output.ts"
import * as State from "../../state.ts"
import { type Address, nodeTarget } from "./target.ts"
import { tellOf, type TunnelNotice } from "./tunnelNotices.ts"

/** Each notice is a line on stdout; with `--json` an object. The log is on stderr. */
const show = Effect.fnUntraced(function* (notice: NodeHost.Notice | TunnelNotice) {
  const { _tag, ...rest } = notice
  yield* Console.log((yield* Json) ? JSON.stringify({ event: _tag, ...rest }) : lines(rest.message))
})

const host = Layer.unwrap(Effect.map(Environment, ({ cwd, variables }) => HostInfo.layer({ env: variables, cwd })))

const services = Layer.mergeAll(host, ExecApprovals.layer(), InvokeMemory.layer(), SupervisorLayer.layer).pipe(
  Layer.provideMerge(State.stateDir),
  Layer.provideMerge(Log.layerService({ level: "info", consoleLevel: "info", style: "pretty" }))
)

/** Serves a Gateway until it is stopped. Says which command on the Gateway's machine approves what is missing. */
export const run = Effect.fn("cli.node.run")(
  function* (flags: Address & { readonly displayName: string | undefined }) {
    const to = yield* nodeTarget(flags)
    const { hostname } = yield* HostInfo
    const device = yield* DeviceIdentity.load
    const deviceTokens = yield* DeviceTokens.make
    const json = yield* Json
    const displayName = flags.displayName?.trim() ?? hostname
    yield* endsByStopping
    yield* Console.log(
      json
        ? JSON.stringify({
            event: "Starting",
            url: to.endpoint,
            sshTarget: to.ssh?.target,
            displayName,
            deviceId: device.id
          })
        : lines(
            `Node ${displayName} (${device.id.slice(0, 12)}) connects to ${to.ssh === undefined ? to.endpoint : `the Gateway behind ${to.ssh.target}`}.`
          )
    )
    const onNotice = (notice: NodeHost.Notice | TunnelNotice) => Effect.provideService(show(notice), Json, json)
    const scope = yield* Effect.scope
    const { gate } = yield* reached(to, {
      holder: "openclaw node run",
      onTunnel: (tunnel) => Effect.asVoid(Effect.forkIn(tellOf(tunnel, onNotice), scope))
    })
    return yield* NodeHost.run({
      endpoint: to.endpoint,
      gate,
      tlsFingerprint: to.tlsFingerprint,
      credentials: to.credentials,
      device,
      deviceTokens: to.storedTokens ? deviceTokens : undefined,
      issuer: DeviceTokens.issuerOf(to),
      version: VERSION,
      displayName,
      onNotice
    })
  },
  Effect.scoped,
  Effect.provide(services)
)
