/**
 * A service together with the process that it runs, as commands ask for it.
 */
import * as Effect from "effect/Effect"
import * as Option from "effect/Option"
import * as Schema from "effect/Schema"
import { programOf } from "../../domain/Profile.ts"
import {
  type InstalledService,
  type ServiceKind,
  ServiceManager,
  type ServiceName
} from "../../services/ServiceManager.ts"
import { owner } from "../gateway.ts"
import { waiting } from "../progress.ts"
import * as State from "../state.ts"
import { filesOf, nameOf, stateDirOf } from "./definition.ts"

/** The service of this profile was installed for another state directory. */
export class ServiceElsewhere extends Schema.TaggedError<ServiceElsewhere>()("ServiceElsewhere", {
  id: Schema.String,
  stateDir: Schema.String,
  wanted: Schema.String
}) {
  override get message() {
    return `${this.id} is the service of the state directory ${this.stateDir}, and this command means ${this.wanted}. A service has the name of its profile.\nFix: use --profile <name> for a service beside it, or unset OPENCLAW_STATE_DIR to mean that one.`
  }
}

/** There is no service of this profile. */
export class ServiceNotInstalled extends Schema.TaggedError<ServiceNotInstalled>()("ServiceNotInstalled", {
  kind: Schema.Literals(["gateway", "node"]),
  id: Schema.String,
  /** `openclaw`, with the profile. */
  program: Schema.String
}) {
  override get message() {
    return `there is no service ${this.id}.\nFix: \`${this.program} ${this.kind} install\` makes one and starts it; \`${this.program} ${this.kind} run\` runs without one.`
  }
}

/** The service of this name is another program's. */
export class ServiceNotOurs extends Schema.TaggedError<ServiceNotOurs>()("ServiceNotOurs", { path: Schema.String }) {
  override get message() {
    return `${this.path} was not written by this program, and it is not removed.\nFix: have the program that made it remove it, or delete the file yourself.`
  }
}

/** A service was started and does not serve. */
export class ServiceNotServing extends Schema.TaggedError<ServiceNotServing>()("ServiceNotServing", {
  id: Schema.String,
  problem: Schema.String,
  /** What it printed last. */
  printed: Schema.String,
  logCommand: Schema.String
}) {
  override get message() {
    return `${this.id} ${this.problem}.${this.printed === "" ? "" : `\n${this.printed}`}\nFix: \`${this.logCommand}\` shows what it printed; correct that, then start it again.`
  }
}

/** A Gateway that no service started owns the state directory. */
export class GatewayUnmanaged extends Schema.TaggedError<GatewayUnmanaged>()("GatewayUnmanaged", {
  pid: Schema.Int,
  /** `openclaw`, with the profile. */
  program: Schema.String
}) {
  override get message() {
    return `a Gateway that is not the service's runs for this state directory (pid ${this.pid}), and there can be one only.\nFix: end it with \`${this.program} gateway stop\`, then run this command again.`
  }
}

/** For what its programs are asked, which answer in their own time. */
export const asking = waiting("Asking the service manager")

/** What the service manager says of it now. */
export const stateOf = (name: ServiceName) => Effect.flatMap(ServiceManager, (manager) => asking(manager.state(name)))

const isElsewhere = (service: InstalledService, root: string): boolean => service.ours && stateDirOf(service) !== root

/** What is installed for this profile; fails when that is for another state directory. */
export const installedHere = Effect.fnUntraced(function* (kind: ServiceKind) {
  const manager = yield* ServiceManager
  const name = yield* nameOf(kind)
  const { root } = yield* State.plan
  const found = yield* manager.installed(name)
  if (Option.isSome(found) && isElsewhere(found.value, root)) {
    return yield* new ServiceElsewhere({
      id: manager.id(name),
      stateDir: stateDirOf(found.value) ?? "(none)",
      wanted: root
    })
  }
  return found
})

/** The same; fails when there is none. */
export const required = Effect.fnUntraced(function* (kind: ServiceKind) {
  const manager = yield* ServiceManager
  const name = yield* nameOf(kind)
  const found = yield* installedHere(kind)
  if (Option.isNone(found))
    return yield* new ServiceNotInstalled({ kind, id: manager.id(name), program: programOf(name.profile) })
  return found.value
})

/** The pid of a Gateway that owns the state directory and is not the service's. */
export const unmanagedPid = Effect.fnUntraced(function* (servicePid: number | undefined) {
  const found = Option.getOrUndefined(yield* owner)
  return found === undefined || found.pid === servicePid ? undefined : found.pid
})

/** Whether the service is installed, and no other Gateway runs in its place. */
export const managed = Effect.fnUntraced(function* (kind: ServiceKind) {
  if (Option.isNone(yield* installedHere(kind))) return false
  const { pid } = yield* stateOf(yield* nameOf(kind))
  return (yield* unmanagedPid(pid)) === undefined
})

/** Fails where a Gateway that is not the service's stands in its way. */
export const checkFree = Effect.fnUntraced(function* (servicePid: number | undefined) {
  const pid = yield* unmanagedPid(servicePid)
  if (pid !== undefined) return yield* new GatewayUnmanaged({ pid, program: programOf((yield* State.plan).profile) })
})

/** Waits until the service serves: a Gateway when it listens, a node when it runs. */
export const serving = Effect.fnUntraced(function* (kind: ServiceKind, timeoutMs: number) {
  const manager = yield* ServiceManager
  const files = yield* filesOf(kind)
  const id = manager.id(files.name)
  const give = Effect.fnUntraced(function* (problem: string) {
    return yield* new ServiceNotServing({
      id,
      problem,
      printed: yield* manager.recent(files),
      logCommand: manager.logCommand(files)
    })
  })
  const look = Effect.gen(function* () {
    const state = yield* manager.state(files.name)
    const code = state.exitCode === undefined ? "" : ` with exit code ${state.exitCode}`
    // launchd starts one when it sees fit; systemd has it running, or not, when it answers.
    const settled = manager.label === "systemd"
    if (settled && (state.status === "failed" || state.status === "stopped")) return yield* give(`has ended${code}`)
    if (state.status === "restarting") return yield* give(`ended${code}, and is started again and again`)
    if (state.status !== "running" || state.pid === undefined) return undefined
    if (kind === "node") return { pid: state.pid, url: undefined }
    const { pid, url } = Option.getOrElse(yield* owner, () => ({ pid: undefined, url: undefined }))
    return pid === state.pid && url !== undefined ? { pid, url } : undefined
  })
  const wait = Effect.gen(function* () {
    while (true) {
      const found = yield* look
      if (found !== undefined) return found
      yield* Effect.sleep("100 millis")
    }
  })
  return yield* wait.pipe(
    Effect.timeoutOrElse({
      duration: timeoutMs,
      orElse: () => give(`did not come up within ${timeoutMs} ms; it may still do so`)
    }),
    waiting(`Waiting for ${id}`)
  )
})

/** What every answer says of the service. */
export const summary = Effect.fnUntraced(function* (kind: ServiceKind) {
  const manager = yield* ServiceManager
  const name = yield* nameOf(kind)
  const { enabled } = yield* stateOf(name)
  return {
    label: manager.label,
    id: manager.id(name),
    loaded: enabled,
    loadedText: "enabled",
    notLoadedText: "disabled",
    lingering: yield* manager.lingering
  }
})
