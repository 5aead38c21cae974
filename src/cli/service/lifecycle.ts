/**
 * `start`, `stop`, `restart` and `uninstall` of a service.
 */
import * as Effect from "effect/Effect"
import * as Option from "effect/Option"
import { type ServiceKind, ServiceManager } from "../../services/ServiceManager.ts"
import { owner } from "../gateway.ts"
import { waiting } from "../progress.ts"
import { filesOf, nameOf } from "./definition.ts"
import { checkFree, installedHere, required, ServiceNotOurs, serving, stateOf } from "./managed.ts"
import { serviceManager } from "./manager.ts"
import { done } from "./report.ts"

export const start = Effect.fn("cli.service.start")(function* (kind: ServiceKind, timeout: number) {
  const manager = yield* ServiceManager
  yield* required(kind)
  const name = yield* nameOf(kind)
  const before = yield* stateOf(name)
  if (kind === "gateway") yield* checkFree(before.pid)
  yield* manager.start(name).pipe(waiting(`Starting ${manager.id(name)}`))
  const { pid, url } = yield* serving(kind, timeout)
  const ran = pid === before.pid
  yield* done(kind, {
    action: "start",
    result: ran ? "already-running" : "started",
    words: ran ? "runs already" : "started",
    pid,
    url
  })
})

/** Whether a service was there to be stopped. One that failed does nothing any more, and is told not to begin again. */
export const stopService = Effect.fn("cli.service.stop")(function* (kind: ServiceKind) {
  const manager = yield* ServiceManager
  if (Option.isNone(yield* installedHere(kind))) return false
  const name = yield* nameOf(kind)
  const { status } = yield* stateOf(name)
  if (status === "stopped") return false
  yield* manager.stop(name).pipe(waiting(`Waiting for ${manager.id(name)} to end`))
  return status !== "failed"
})

/** Stops the service whose Gateway owns the state directory: for one that was killed, its manager starts another. */
export const stopOwner = Effect.fn("cli.service.stopOwner")(
  function* () {
    const found = Option.getOrUndefined(yield* owner)
    if (found === undefined) return
    const manager = yield* ServiceManager
    const name = yield* nameOf("gateway")
    const { pid } = yield* stateOf(name)
    if (pid === found.pid) yield* manager.stop(name).pipe(waiting(`Waiting for ${manager.id(name)} to end`))
  },
  Effect.provide(serviceManager),
  // Whoever owns it is nobody's service.
  Effect.catchTag("ServiceManagerUnavailable", () => Effect.void)
)

export const restart = Effect.fn("cli.service.restart")(function* (kind: ServiceKind, timeout: number) {
  const manager = yield* ServiceManager
  yield* required(kind)
  const name = yield* nameOf(kind)
  yield* manager.restart(name).pipe(waiting(`Waiting for ${manager.id(name)} to end`))
  const { pid, url } = yield* serving(kind, timeout)
  yield* done(kind, { action: "restart", result: "restarted", words: "restarted", pid, url })
})

/** State and kept variables stay. */
export const uninstall = Effect.fn("cli.service.uninstall")(function* (kind: ServiceKind) {
  const manager = yield* ServiceManager
  const files = yield* filesOf(kind)
  const found = yield* installedHere(kind)
  if (Option.isSome(found) && !found.value.ours) return yield* new ServiceNotOurs({ path: found.value.path })
  const was = Option.isSome(found)
  yield* manager.uninstall(files.name).pipe(waiting(`Waiting for ${manager.id(files.name)} to end`))
  yield* done(kind, {
    action: "uninstall",
    result: was ? "uninstalled" : "not-installed",
    words: was ? "uninstalled; configuration and state stay" : "was not installed"
  })
})
