import * as Effect from "effect/Effect"
import { configuration } from "../../configuration.ts"
import { Environment } from "../../Environment.ts"
import { NotWell, tell } from "../../errors.ts"
import { runningTarget } from "../../gateway.ts"
import { fields, print, tilde } from "../../output.ts"
import { capabilityInWords, capabilityOf, probe } from "../../probe.ts"

/** What `status` itself needs. */
const PROBE_SCOPES = ["operator.read"] as const

/** Exit code 0 also when nothing answers, unless `--require-rpc` asks for an answer. */
export const run = Effect.fn("cli.gateway.status")(function* (flags: {
  readonly noProbe: boolean
  readonly requireRpc: boolean
  readonly timeout: number
}) {
  const { home } = yield* Environment
  const file = yield* configuration
  const { endpoint, source } = yield* runningTarget
  const bind = file.config.gateway?.bind ?? "loopback"
  const found = flags.noProbe
    ? undefined
    : yield* probe({ scopes: PROBE_SCOPES, timeoutMs: flags.timeout, running: true }, (client) =>
        client.call.status({})
      )
  const reached = found?.ok === true ? found : undefined
  const rpc =
    found === undefined
      ? undefined
      : found.ok
        ? {
            ok: true,
            url: endpoint,
            latencyMs: found.latencyMs,
            capability: capabilityOf(found.hello),
            auth: { role: found.hello.auth.role, scopes: found.hello.auth.scopes },
            server: found.hello.server
          }
        : { ok: false, url: endpoint, error: found.error }
  yield* print(
    {
      config: { path: file.path, exists: file.exists, valid: file.valid, problem: file.problem },
      gateway: { bindMode: bind, probeUrl: endpoint, urlSource: source, version: reached?.hello.server.version },
      rpc
    },
    () =>
      fields([
        ["Config", `${tilde(file.path, home)} (${file.exists ? (file.valid ? "valid" : "not valid") : "missing"})`],
        ["Gateway", `bind=${bind}`],
        ["Probe target", `${endpoint} (${source})`],
        ["Gateway version", reached?.hello.server.version],
        ["Process", reached?.answer.pid === undefined ? undefined : `pid ${reached.answer.pid}`],
        ["Connectivity probe", found === undefined ? "not asked" : found.ok ? `ok (${found.latencyMs}ms)` : "failed"],
        ["Capability", reached === undefined ? undefined : capabilityInWords(reached.hello, PROBE_SCOPES, "cli")]
      ])
  )
  yield* tell(file.problem)
  if (found?.ok === false) yield* tell(found.error.message)
  if (flags.requireRpc && reached === undefined) return yield* new NotWell({})
})
