/**
 * `openclaw gateway install` and `openclaw node install`.
 */
import * as Effect from "effect/Effect"
import * as FileSystem from "effect/FileSystem"
import * as Option from "effect/Option"
import * as Schema from "effect/Schema"
import { programOf } from "../../domain/Profile.ts"
import * as DefinitionFile from "../../layers/service/file.ts"
import { type ServiceKind, ServiceManager } from "../../services/ServiceManager.ts"
import { waiting } from "../progress.ts"
import * as State from "../state.ts"
import { auditOf, definitionFor, nameOf, stateDirOf } from "./definition.ts"
import { asking, checkFree, ServiceElsewhere, serving, stateOf } from "./managed.ts"
import { done } from "./report.ts"
import { keepVariables } from "./variables.ts"

/** There is a service of this name already, and it is not what would be written now. */
export class ServiceDiffers extends Schema.TaggedError<ServiceDiffers>()("ServiceDiffers", {
  kind: Schema.Literals(["gateway", "node"]),
  id: Schema.String,
  /** `openclaw`, with the profile. */
  program: Schema.String,
  why: Schema.String
}) {
  override get message() {
    return `${this.id} is installed already, and is another one than would be now: ${this.why}\nFix: \`${this.program} ${this.kind} install --force\` replaces it and restarts it.`
  }
}

export interface InstallFlags {
  readonly kind: ServiceKind
  /** What the service runs, after `openclaw`. */
  readonly args: ReadonlyArray<string>
  readonly force: boolean
  readonly timeout: number
  /** Variables for the service besides those of this shell. */
  readonly variables?: Readonly<Record<string, string>>
}

/**
 * Writes the definition, keeps the variables that the service needs, and starts it. The same service again changes nothing and
 * starts it where it does not run.
 */
export const install = Effect.fn("cli.service.install")(function* <E, R>(
  { args, force, kind, timeout, variables: more }: InstallFlags,
  configure: Effect.Effect<void, E, R>
) {
  const manager = yield* ServiceManager
  const name = yield* nameOf(kind)
  const id = manager.id(name)
  const found = yield* manager.installed(name)
  const definition = yield* definitionFor(kind, args, Option.getOrUndefined(found))
  const text = yield* asking(manager.render(definition))
  const before = yield* stateOf(name)
  const isSame = Option.exists(found, (service) => service.text === text)
  if (Option.isSome(found) && !isSame && !force) {
    const { root } = yield* State.plan
    const stateDir = stateDirOf(found.value)
    if (found.value.ours && stateDir !== root) {
      return yield* new ServiceElsewhere({ id, stateDir: stateDir ?? "(none)", wanted: root })
    }
    const issues = yield* auditOf(kind, found.value)
    const why = issues[0]?.message ?? `it runs \`openclaw ${found.value.command.slice(2).join(" ")}\`.`
    return yield* new ServiceDiffers({ kind, id, program: programOf(name.profile), why })
  }
  if (kind === "gateway") yield* checkFree(before.pid)
  yield* configure
  const variables = yield* keepVariables(kind, definition.environmentFile, more)
  // What somebody else wrote is kept beside it.
  if (Option.isSome(found) && !found.value.ours) {
    yield* DefinitionFile.replace(yield* FileSystem.FileSystem, `${found.value.path}.bak`, found.value.text)
  }
  const isNew = !isSame || force
  if (isNew || !before.enabled) yield* manager.install(definition).pipe(waiting(`Installing ${id}`))
  yield* (isNew ? manager.restart(name) : manager.start(name)).pipe(waiting(`Starting ${id}`))
  const { pid, url } = yield* serving(kind, timeout)
  const result = isSame
    ? force
      ? "reinstalled"
      : "already-installed"
    : Option.isSome(found)
      ? "replaced"
      : "installed"
  yield* done(kind, {
    action: "install",
    result,
    words: `${result === "already-installed" ? "installed already" : result}, and running`,
    pid,
    url,
    rows: [
      [
        "Kept variables",
        variables.length === 0 ? undefined : `${variables.join(", ")} (${definition.environmentFile})`
      ],
      ["Log", manager.logCommand(definition)]
    ],
    more: { variables, environmentFile: variables.length === 0 ? undefined : definition.environmentFile }
  })
})
