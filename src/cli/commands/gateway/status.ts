import * as Effect from "effect/Effect"
import * as Option from "effect/Option"
import * as Path from "effect/Path"
import * as Result from "effect/Result"
import { RUNNING, type Target } from "../../../client/credentials.ts"
import { parse, portOf } from "../../../domain/Endpoint.ts"
import { VERSION } from "../../../domain/Version.ts"
import { LOG_FILE } from "../../../layers/Logging.ts"
import { configuration } from "../../configuration.ts"
import { Environment } from "../../Environment.ts"
import { describe, NotWell, tell } from "../../errors.ts"
import { isOwn, owner, runningTarget } from "../../gateway.ts"
import { fields, plain, print, tilde } from "../../output.ts"
import { capabilityInWords, capabilityOf, probe } from "../../probe.ts"
import { holdersOf } from "../../service/holders.ts"
import { asking } from "../../service/managed.ts"
import { pidOf, serviceNotes, serviceRows, serviceStatus, type ServiceStatus } from "../../service/status.ts"
import * as State from "../../state.ts"

/** What `status` itself needs. */
const PROBE_SCOPES = ["operator.read"] as const

type Place = Pick<Target, "endpoint" | "source">

/** The Gateway that runs, where the configuration does not say which one is meant. */
const placeOfOwner = Effect.map(owner, (found): Place | undefined => {
  const url = Option.getOrUndefined(found)?.url
  const endpoint = url === undefined ? undefined : Result.getOrUndefined(parse(url, RUNNING))
  return endpoint === undefined ? undefined : { endpoint, source: RUNNING }
})

/** The Gateway that is meant. That the configuration or the environment does not say it is a finding; a wrong flag is an error. */
const findPlace = runningTarget.pipe(
  Effect.map(({ endpoint, source }) => ({ place: { endpoint, source }, problem: undefined })),
  Effect.catchTag(
    ["ConfigInvalid", "ConfigUnreadable", "SecretUnresolved", "SettingInvalid", "SshTargetInvalid"],
    (error) => Effect.map(placeOfOwner, (place) => ({ place, problem: describe(error) }))
  )
)

/** Who has the port; nothing of a Gateway elsewhere. */
const portReport = Effect.fnUntraced(function* (place: Place | undefined, service: ServiceStatus) {
  if (place === undefined || !isOwn(place)) return undefined
  const { endpoint } = place
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

/** Exit code 0 also when nothing answers or the configuration is wrong, unless `--require-rpc` asks for an answer. */
export const run = Effect.fn("cli.gateway.status")(function* (flags: {
  readonly noProbe: boolean
  readonly requireRpc: boolean
  readonly timeout: number
}) {
  const { entry, home } = yield* Environment
  const path = yield* Path.Path
  const { root } = yield* State.plan
  const file = yield* configuration
  const { place, problem } = yield* findPlace
  const bind = file.valid ? (file.config.gateway?.bind ?? "loopback") : undefined
  const service = yield* asking(serviceStatus("gateway"))
  const found = flags.noProbe
    ? undefined
    : problem !== undefined
      ? { ok: false as const, error: problem }
      : yield* probe({ scopes: PROBE_SCOPES, timeoutMs: flags.timeout, running: true }, (client) =>
          client.call.status({})
        )
  const port = yield* portReport(place, service)
  const reached = found?.ok === true ? found : undefined
  const rpc =
    found === undefined
      ? undefined
      : found.ok
        ? {
            ok: true,
            url: place?.endpoint,
            latencyMs: found.latencyMs,
            capability: capabilityOf(found.hello),
            auth: { role: found.hello.auth.role, scopes: found.hello.auth.scopes },
            server: found.hello.server
          }
        : { ok: false, url: place?.endpoint, error: found.error }
  const running = reached?.hello.server.version
  const drift = place !== undefined && isOwn(place) ? versionNote(running) : undefined
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
        probeUrl: place?.endpoint,
        urlSource: place?.source,
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
        ["Gateway", bind === undefined ? undefined : `bind=${bind}`],
        ["Probe target", place === undefined ? "unknown" : `${place.endpoint} (${place.source})`],
        ["Port", holderInWords(port)],
        ["Gateway version", running],
        ["Process", reached?.answer.pid === undefined ? undefined : `pid ${reached.answer.pid}`],
        [
          "Connectivity probe",
          found === undefined || problem !== undefined ? "not asked" : found.ok ? `ok (${found.latencyMs}ms)` : "failed"
        ],
        ["Capability", reached === undefined ? undefined : capabilityInWords(reached.hello, PROBE_SCOPES, "cli")]
      ])
  )
  yield* tell(file.problem)
  for (const note of [...serviceNotes(service), ...(port?.hints ?? []), ...(drift === undefined ? [] : [drift])]) {
    yield* tell(note)
  }
  const failure = problem ?? (found?.ok === false ? found.error : undefined)
  if (failure?.message !== file.problem) yield* tell(failure?.message)
  if (flags.requireRpc && reached === undefined) return yield* new NotWell({})
})
