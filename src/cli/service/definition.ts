/**
 * A service as it would be installed now, and in what the one that is installed differs.
 */
import { join } from "node:path"
import * as Effect from "effect/Effect"
import { programOf } from "../../domain/Profile.ts"
import { VERSION } from "../../domain/Version.ts"
import {
  type InstalledService,
  type ServiceDefinition,
  type ServiceKind,
  ServiceManager
} from "../../services/ServiceManager.ts"
import { Environment } from "../Environment.ts"
import * as State from "../state.ts"
import { installedProgram, servicePath } from "./program.ts"

/** In the state directory; mode 0600. */
const environmentFileName = (kind: ServiceKind): string => `${kind}-service.env`

const titles: Readonly<Record<ServiceKind, string>> = { gateway: "OpenClaw Gateway", node: "OpenClaw node" }

/** Which service a command means. */
export const nameOf = (kind: ServiceKind) => Effect.map(State.plan, ({ profile }) => ({ kind, profile }))

/** Where its files are, whether or not it is installed. */
export const filesOf = (kind: ServiceKind) =>
  Effect.map(State.plan, ({ profile, root }) => ({
    name: { kind, profile },
    environmentFile: join(root, environmentFileName(kind)),
    outputFile: join(root, "logs", `${kind}-service.log`)
  }))

/** Taken from the shell, which may be another one than the one that installed the service. */
const FROM_SHELL = ["OPENCLAW_HOME", "NODE_EXTRA_CA_CERTS"] as const

/**
 * The C library of Linux keeps memory apart for each thread that asks for some, and gives back only what lies behind the last
 * piece in use. With one such place, and with every larger piece (what V8 compiles with, mostly) asked of the system itself, an
 * idle Gateway takes 15 MB less, and its turns no more time. Other systems do not look at it.
 */
export const GIVE_BACK = { MALLOC_ARENA_MAX: "1", MALLOC_MMAP_THRESHOLD_: "16384" } as const

/** The service that runs `openclaw <args>` for this profile. What an installed one was given by a shell stays. */
export const definitionFor = Effect.fnUntraced(function* (
  kind: ServiceKind,
  args: ReadonlyArray<string>,
  installed: InstalledService | undefined
) {
  const { home, variables } = yield* Environment
  const { configFile, profile, root } = yield* State.plan
  const files = yield* filesOf(kind)
  const { node, program } = yield* installedProgram
  const shell = FROM_SHELL.flatMap((name) => {
    const value = variables[name]?.trim() || installed?.environment[name]
    return value === undefined ? [] : [[name, value] as const]
  })
  const definition: ServiceDefinition = {
    ...files,
    description: profile === undefined ? titles[kind] : `${titles[kind]} (profile ${profile})`,
    command: [node, program, ...args],
    workingDirectory: home,
    environment: {
      PATH: servicePath(node, home),
      ...GIVE_BACK,
      OPENCLAW_STATE_DIR: root,
      ...(configFile === join(root, "openclaw.json") ? undefined : { OPENCLAW_CONFIG_PATH: configFile }),
      ...(profile === undefined ? undefined : { OPENCLAW_PROFILE: profile }),
      ...Object.fromEntries(shell),
      OPENCLAW_SERVICE_VERSION: VERSION
    }
  }
  return definition
})

export interface Issue {
  readonly code: string
  readonly message: string
}

/** The state directory that the service was installed for. */
export const stateDirOf = ({ environment }: InstalledService): string | undefined => environment["OPENCLAW_STATE_DIR"]

/** Its arguments, without Node and the program. */
export const argsOf = (kind: ServiceKind, { command }: InstalledService): ReadonlyArray<string> => {
  const at = command.indexOf(kind)
  return at === -1 ? [kind, "run"] : command.slice(at)
}

/** Why the file is not as it would be written now; empty when it is. */
export const auditOf = Effect.fnUntraced(function* (kind: ServiceKind, installed: InstalledService) {
  const manager = yield* ServiceManager
  const { profile, root } = yield* State.plan
  const force = `\`${programOf(profile)} ${kind} install --force\``
  if (!installed.ours) {
    return [{ code: "not-ours", message: `${installed.path} was not written by this program; ${force} replaces it.` }]
  }
  const stateDir = stateDirOf(installed)
  if (stateDir !== root) {
    return [
      {
        code: "state-dir-differs",
        message: `The service is the one of ${stateDir ?? "no"} state directory, not ${root}.`
      }
    ]
  }
  const wanted = yield* definitionFor(kind, argsOf(kind, installed), installed)
  if ((yield* manager.render(wanted)) === installed.text) return []
  const [node, program] = installed.command
  const issues: Array<Issue> = []
  if (node !== wanted.command[0]) {
    issues.push({
      code: "node-moved",
      message: `The service starts ${node ?? "nothing"}; Node is ${wanted.command[0]} now.`
    })
  }
  if (program !== wanted.command[1]) {
    issues.push({
      code: "program-moved",
      message: `The service starts ${program ?? "nothing"}; the program is ${wanted.command[1] ?? ""} now.`
    })
  }
  const version = installed.environment["OPENCLAW_SERVICE_VERSION"]
  if (version !== VERSION) {
    issues.push({
      code: "other-version",
      message: `The service was installed by version ${version ?? "unknown"}; this is ${VERSION}.`
    })
  }
  if (issues.length === 0)
    issues.push({ code: "outdated", message: `${installed.path} is not as it would be written now.` })
  return issues.map(({ code, message }) => ({ code, message: `${message} ${force} writes it again.` }))
})
