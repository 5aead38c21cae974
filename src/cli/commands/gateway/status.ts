import * as Effect from "effect/Effect"
import * as Path from "effect/Path"
import { RUNNING, type Target } from "../../../client/credentials.ts"
import { portOf } from "../../../domain/Endpoint.ts"
import { VERSION } from "../../../domain/Version.ts"
import { LOG_FILE } from "../../../layers/Logging.ts"
import { configuration } from "../../configuration.ts"
import { Environment } from "../../Environment.ts"
import { NotWell, tell } from "../../errors.ts"
import { runningTarget } from "../../gateway.ts"
import { fields, plain, print, tilde } from "../../output.ts"
import { capabilityInWords, capabilityOf, probe } from "../../probe.ts"
import { holdersOf } from "../../service/holders.ts"
import { pidOf, serviceNotes, serviceRows, serviceStatus, type ServiceStatus } from "../../service/status.ts"
import * as State from "../../state.ts"

/** What `status` itself needs. */
const PROBE_SCOPES = ["operator.read"] as const

/** What names this machine's own Gateway. */
const OWN: ReadonlySet<string> = new Set(["OPENCLAW_GATEWAY_PORT", "gateway.port", RUNNING])

/** Who has the port; nothing of a Gateway elsewhere. */
const portReport = Effect.fnUntraced(function* ({ endpoint, source }: Target, service: ServiceStatus) {
  if (!OWN.has(source)) return undefined
  const { installed } = service
  const pid = pidOf(service)
  const port = portOf(endpoint)
  const holders = yield* holdersOf(port)
  const listeners = holders?.map((holder) => ({
    ...holder,
    service: installed && pid !== undefined && holder.pid === pid
  }))
  const others = installed ? (listeners ?? []).filter(({ service }) => !service) : []
  return {
    port,
    status:
      listeners === undefined ? ("unknown" as const) : listeners.length === 0 ? ("free" as const) : ("busy" as const),
    listeners: listeners ?? [],
    hints: others.map(
      ({ command, pid }) =>
        `Port ${port} is held by ${pid === undefined ? "another user's program" : `pid ${pid}${command === undefined ? "" : ` (${plain(command)})`}`}, which is not the service's Gateway.`
    )
  }
})

const holderInWords = (report: Effect.Success<ReturnType<typeof portReport>>): string | undefined =>
  report === undefined
    ? undefined
    : report.status === "busy"
      ? `${report.port}: ${report.listeners.map(({ command, pid, service }) => `${pid === undefined ? "another user's program" : `pid ${pid}`}${command === undefined ? "" : ` (${command})`}${service ? ", the service" : ""}`).join("; ")}`
      : `${report.port}: ${report.status}`

/** A program that was replaced while it ran goes on as it was. */
const versionNote = (running: string | undefined): string | undefined =>
  running === undefined || running === VERSION
    ? undefined
    : `The Gateway that runs has version ${plain(running)}; this program has ${VERSION}.\nFix: \`openclaw gateway restart\` starts the installed one.`

/** Exit code 0 also when nothing answers, unless `--require-rpc` asks for an answer. */
export const run = Effect.fn("cli.gateway.status")(function* (flags: {
  readonly noProbe: boolean
  readonly requireRpc: boolean
  readonly timeout: number
}) {
  const { entry, home } = yield* Environment
  const path = yield* Path.Path
  const { root } = yield* State.plan
  const file = yield* configuration
  const target = yield* runningTarget
  const { endpoint, source } = target
  const bind = file.config.gateway?.bind ?? "loopback"
  const service = yield* serviceStatus("gateway")
  const found = flags.noProbe
    ? undefined
    : yield* probe({ scopes: PROBE_SCOPES, timeoutMs: flags.timeout, running: true }, (client) =>
        client.call.status({})
      )
  const port = yield* portReport(target, service)
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
  const running = reached?.hello.server.version
  const drift = OWN.has(source) ? versionNote(running) : undefined
  const logFile = path.join(root, ...LOG_FILE)
  yield* print(
    {
      cli: { version: VERSION, entrypoint: entry },
      logFile,
      service,
      config: { path: file.path, exists: file.exists, valid: file.valid, problem: file.problem },
      gateway: {
        bindMode: bind,
        port: port?.port,
        probeUrl: endpoint,
        urlSource: source,
        version: running,
        versionDrift: drift !== undefined
      },
      port,
      rpc
    },
    () =>
      fields([
        ...serviceRows(service),
        ["Config", `${tilde(file.path, home)} (${file.exists ? (file.valid ? "valid" : "not valid") : "missing"})`],
        ["Log", tilde(logFile, home)],
        ["Gateway", `bind=${bind}`],
        ["Probe target", `${endpoint} (${source})`],
        ["Port", holderInWords(port)],
        ["Gateway version", running],
        ["Process", reached?.answer.pid === undefined ? undefined : `pid ${reached.answer.pid}`],
        ["Connectivity probe", found === undefined ? "not asked" : found.ok ? `ok (${found.latencyMs}ms)` : "failed"],
        ["Capability", reached === undefined ? undefined : capabilityInWords(reached.hello, PROBE_SCOPES, "cli")]
      ])
  )
  yield* tell(file.problem)
  for (const note of [...serviceNotes(service), ...(port?.hints ?? []), ...(drift === undefined ? [] : [drift])]) {
    yield* tell(note)
  }
  if (found?.ok === false) yield* tell(found.error.message)
  if (flags.requireRpc && reached === undefined) return yield* new NotWell({})
})
