/**
 * What a status says of a service.
 */
import * as Effect from "effect/Effect"
import * as Option from "effect/Option"
import * as Result from "effect/Result"
import { type ServiceKind, ServiceManager, type ServiceName } from "../../services/ServiceManager.ts"
import { describe } from "../errors.ts"
import { auditOf, filesOf, type Issue } from "./definition.ts"
import { lingerHint } from "./report.ts"
import { serviceManager } from "./manager.ts"

const unasked = { status: "unknown" } as const

/** What the manager says now; that it cannot be asked is a finding. */
const runtime = Effect.fnUntraced(function* (name: ServiceName, isInstalled: boolean) {
  const manager = yield* ServiceManager
  const state = yield* Effect.result(manager.state(name))
  if (Result.isFailure(state)) {
    const { message, name: reason } = describe(state.failure)
    return { loaded: false, overrides: undefined, now: { ...unasked, detail: message, inspectionReason: reason } }
  }
  const { detail, enabled, exitCode, overrides, pid, restarts, status } = state.success
  const missing = isInstalled ? undefined : { missingUnit: true }
  return { loaded: enabled, overrides, now: { status, detail, pid, lastExitStatus: exitCode, restarts, ...missing } }
})

const unknown = (error: unknown): ReadonlyArray<Issue> => [{ code: "unknown", message: describe(error).message }]

const inspect = Effect.fnUntraced(function* (kind: ServiceKind) {
  const manager = yield* ServiceManager
  const files = yield* filesOf(kind)
  const found = Option.getOrUndefined(yield* manager.installed(files.name))
  const { loaded, now, overrides } = yield* runtime(files.name, found !== undefined)
  const issues =
    found === undefined ? [] : yield* Effect.catch(auditOf(kind, found), (error) => Effect.succeed(unknown(error)))
  return {
    label: manager.label,
    id: manager.id(files.name),
    installed: found !== undefined,
    loaded,
    loadedText: "enabled",
    notLoadedText: "disabled",
    lingering: yield* manager.lingering,
    command:
      found === undefined
        ? null
        : { programArguments: found.command, environment: found.environment, sourcePath: found.path },
    runtime: now,
    overrides,
    logCommand: manager.logCommand(files),
    configAudit: { ok: issues.length === 0, issues }
  }
})

/** Never fails: what cannot be found out is a finding too. */
export const serviceStatus = (kind: ServiceKind) =>
  Effect.catch(Effect.provide(inspect(kind), serviceManager), (error) => {
    const { message, name } = describe(error)
    return Effect.succeed({
      label: "none" as const,
      id: undefined,
      installed: false,
      loaded: false,
      loadedText: "enabled",
      notLoadedText: "disabled",
      lingering: undefined,
      command: null,
      runtime: { ...unasked, detail: message, inspectionReason: name },
      overrides: undefined,
      logCommand: undefined,
      configAudit: { ok: true, issues: [] as ReadonlyArray<Issue> }
    })
  })

export type ServiceStatus = Effect.Success<ReturnType<typeof serviceStatus>>

/** Of the process that the service runs. */
export const pidOf = ({ runtime }: ServiceStatus): number | undefined => ("pid" in runtime ? runtime.pid : undefined)

const first = (text: string): string => text.split("\n", 1)[0] ?? ""

/** The rows that people read. */
export const serviceRows = (
  status: ServiceStatus
): ReadonlyArray<readonly [name: string, value: string | undefined]> => {
  const { id, installed, label, loaded, runtime } = status
  const pid = pidOf(status)
  const isAsked = !("inspectionReason" in runtime)
  // Where nothing manages services none is installed; what could not be looked at may be there.
  const isKnown = isAsked || runtime.inspectionReason === "ServiceManagerUnavailable"
  const starts = isAsked ? `, ${loaded ? "starts by itself" : "does not start by itself"}` : ""
  return [
    [
      "Service",
      installed
        ? `${id ?? ""} (${label}${starts})`
        : `${isKnown ? "not installed" : "unknown"} (${isAsked ? label : first(runtime.detail)})`
    ],
    ["Service runtime", installed ? `${first(runtime.detail)}${pid === undefined ? "" : `, pid ${pid}`}` : undefined]
  ]
}

/** What is to be done about it. */
export const serviceNotes = (status: ServiceStatus): ReadonlyArray<string> => {
  if (!status.installed) return []
  const linger = lingerHint(status.lingering)
  const { runtime } = status
  const ended = runtime.status === "failed" || runtime.status === "restarting"
  return [
    ...status.configAudit.issues.map(({ message }) => message),
    ...(status.overrides ?? []).map((path) => `${path} changes the service.`),
    ...("inspectionReason" in runtime ? [runtime.detail] : []),
    ...(ended ? [`The service ended.\nFix: \`${status.logCommand ?? ""}\` shows what it printed.`] : []),
    ...(linger === undefined ? [] : [`The service is there, but ${linger}`])
  ]
}
