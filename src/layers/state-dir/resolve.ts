/**
 * Where the state directory and the configuration file are: one pure function of home, profile and environment.
 */
import * as NodePath from "node:path"
import * as Result from "effect/Result"
import { isName } from "../../domain/Profile.ts"
import { StateDirUnusable } from "../../services/StateDir.ts"

export interface StateDirInput {
  /** The user's home directory, absolute. `OPENCLAW_HOME` goes before it. */
  readonly home: string
  /** What a relative path in the environment is relative to. Without it, such a path is refused. */
  readonly cwd?: string | undefined
  /** `--profile`. Goes before `OPENCLAW_PROFILE`; `default` is the unnamed profile. */
  readonly profile?: string | undefined
  readonly env: Readonly<Record<string, string | undefined>>
}

export interface StateDirPlan {
  /** Absolute path of the state directory. */
  readonly root: string
  /** Absolute path of `openclaw.json`. */
  readonly configFile: string
  /** The profile's name; `undefined` for the default one. */
  readonly profile: string | undefined
}

const CONFIG_NAME = "openclaw.json"

const given = (value: string | undefined): string | undefined => {
  const trimmed = value?.trim()
  return trimmed === undefined || trimmed === "" ? undefined : trimmed
}

/** Of a name that is none, so much is repeated. */
const shown = (name: string): string => (name.length <= 80 ? name : `${name.slice(0, 79)}…`)

/**
 * `~/.openclaw`, or `~/.openclaw-<profile>`, or `OPENCLAW_STATE_DIR`; the file is `openclaw.json` inside, or
 * `OPENCLAW_CONFIG_PATH`. A path that the environment inherited from another profile's own directory does not bind a
 * profile that was asked for by flag: two profiles never meet by accident.
 */
export const resolveStateDir = (input: StateDirInput): Result.Result<StateDirPlan, StateDirUnusable> =>
  Result.gen(function* () {
    const { env } = input
    const absolute = (name: string, value: string, home: string): Result.Result<string, StateDirUnusable> => {
      const refuse = (why: string) => Result.fail(new StateDirUnusable({ path: value, message: `${name} ${why}` }))
      if (value.includes("\0")) return refuse("contains a NUL character; give a plain path.")
      const expanded = /^~(?=$|[/\\])/.test(value) ? NodePath.join(home, value.slice(1)) : value
      if (NodePath.isAbsolute(expanded)) return Result.succeed(NodePath.normalize(expanded))
      return input.cwd === undefined
        ? refuse(`is "${value}"; give an absolute path, or one that starts with ~/.`)
        : Result.succeed(NodePath.resolve(input.cwd, expanded))
    }
    const named = (source: string, value: string | undefined): Result.Result<string | undefined, StateDirUnusable> => {
      const name = given(value)
      if (name === undefined || name.toLowerCase() === "default") return Result.succeed(undefined)
      return isName(name)
        ? Result.succeed(name)
        : Result.fail(
            new StateDirUnusable({
              path: shown(name),
              message: `${source} ${JSON.stringify(shown(name))} is not a profile name: 1 to 64 letters, digits, "-" and "_", starting with a letter or digit.`
            })
          )
    }

    const home = yield* absolute("home directory", given(env["OPENCLAW_HOME"]) ?? input.home, input.home)
    const inherited = yield* named("OPENCLAW_PROFILE", env["OPENCLAW_PROFILE"])
    const asked = input.profile !== undefined
    if (asked && given(input.profile) === undefined) {
      return yield* Result.fail(
        new StateDirUnusable({ path: "", message: "--profile is empty; give a name, or leave the flag out." })
      )
    }
    const profile = asked ? yield* named("--profile", input.profile) : inherited
    const rootOf = (name: string | undefined) =>
      NodePath.join(home, name === undefined ? ".openclaw" : `.openclaw-${name}`)
    const switches = asked && rootOf(profile) !== rootOf(inherited)

    const stateDir = given(env["OPENCLAW_STATE_DIR"])
    const customRoot = stateDir === undefined ? undefined : yield* absolute("OPENCLAW_STATE_DIR", stateDir, home)
    const keepsRoot = customRoot !== undefined && !(switches && customRoot === rootOf(inherited))
    const root = keepsRoot ? customRoot : rootOf(profile)

    const configPath = given(env["OPENCLAW_CONFIG_PATH"])
    const custom = configPath === undefined ? undefined : yield* absolute("OPENCLAW_CONFIG_PATH", configPath, home)
    const ofInherited = NodePath.join(rootOf(inherited), CONFIG_NAME)
    const keepsConfig = custom !== undefined && !(switches && !keepsRoot && custom === ofInherited)
    return { root, configFile: keepsConfig ? custom : NodePath.join(root, CONFIG_NAME), profile }
  })
