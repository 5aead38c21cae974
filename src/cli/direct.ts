/**
 * The commands that people and scripts wait for most, run without the command tree: the door has taken their command line
 * apart, so that of all commands only the one that was asked for is loaded, and no parser.
 *
 * What each makes of its flags is said here once more. `test/cli/direct.test.ts` holds it against what the tree makes of them.
 */
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import * as Option from "effect/Option"
import { ChildProcessSpawner, make } from "effect/process/ChildProcessSpawner"
import { type Carried, carried, type Run } from "./carried.ts"
import type { Asked } from "./door/parse.ts"
import type { Reported } from "./errors.ts"
import * as globals from "./globals.ts"

/** The value of a parameter; `Not` where only the tree can say what is to be done with it. */
type Take<A> = (asked: Asked) => A | typeof Not

const Not = Symbol("openclaw/cli/direct/Not")

const isOn = (values: ReadonlyArray<string> | undefined): boolean =>
  values !== undefined && /^(?:true|yes|on|1|y)$/.test(values[0] ?? "")

const on =
  (flag: string): Take<boolean> =>
  ({ flags }) =>
    isOn(flags.get(flag))

const text =
  (flag: string): Take<string | undefined> =>
  ({ flags }) =>
    flags.get(flag)?.[0]

/** A plain number that every range allows which begins at 1. */
const whole =
  <A extends number | undefined>(flag: string, standard: A): Take<number | A> =>
  ({ flags }) => {
    const given = flags.get(flag)?.[0]
    if (given === undefined) return standard
    return /^[1-9]\d{0,8}$/.test(given) ? Number(given) : Not
  }

const timeout = whole("timeout", 10_000)

const word: Take<string> = ({ words }) => words[0] ?? Not

type Services = Carried | globals.Globals | ChildProcessSpawner

interface Handler<Input> {
  readonly run: (input: Input) => Effect.Effect<void, unknown, Services>
}

/** A command with its flags taken apart; `undefined` where they have to be parsed again. */
type Direct = (asked: Asked) => (() => Promise<Effect.Effect<void, unknown, Services>>) | undefined

const direct =
  <Input extends object>(
    load: () => Promise<Handler<Input>>,
    params: { readonly [Name in keyof Input]-?: Take<Input[Name]> }
  ): Direct =>
  (asked) => {
    const takes: ReadonlyArray<readonly [string, Take<unknown>]> = Object.entries(params)
    const given = takes.map(([name, take]) => [name, take(asked)] as const)
    if (given.some(([, value]) => value === Not)) return undefined
    // Its keys are those of `params`, its values what they took.
    const input = Object.fromEntries(given) as Input
    return () => load().then(({ run }) => run(input))
  }

const health = direct(() => import("./commands/health/run.ts"), {
  probe: on("probe"),
  verbose: on("verbose"),
  debug: on("debug"),
  timeout
})

const sessions = direct(() => import("./commands/sessions/list.ts"), {
  agent: text("agent"),
  allAgents: on("all-agents"),
  active: whole("active", undefined),
  limit: whole("limit", undefined),
  timeout
})

export const commands: Readonly<Record<string, Direct>> = {
  health,
  "gateway health": health,
  "gateway call": direct(() => import("./commands/gateway/call.ts"), {
    method: word,
    params: text("params"),
    expectFinal: on("expect-final"),
    timeout
  }),
  status: direct(() => import("./commands/status/run.ts"), { deep: on("deep"), timeout }),
  sessions,
  "sessions list": sessions,
  "nodes list": direct(() => import("./commands/nodes/list.ts"), {
    connected: on("connected"),
    lastConnected: text("last-connected"),
    timeout
  }),
  "nodes status": direct(() => import("./commands/nodes/status.ts"), {
    connected: on("connected"),
    lastConnected: text("last-connected"),
    timeout
  }),
  "nodes describe": direct(() => import("./commands/nodes/describe.ts"), {
    node: (asked) => text("node")(asked) ?? Not,
    timeout
  }),
  "channels status": direct(() => import("./commands/channels/status.ts"), {
    probe: on("probe"),
    channel: text("channel"),
    timeout
  }),
  "devices list": direct(() => import("./commands/devices/list.ts"), { timeout }),
  "config get": direct(() => import("./commands/config/get.ts"), {
    path: ({ words }) => words[0],
    showSecrets: on("show-secrets")
  }),
  "tunnel status": direct(() => import("./commands/tunnel/status.ts"), {
    target: ({ words }) => Option.fromUndefinedOr(words[0])
  })
}

/** Programs are started by few of these commands, and only where a Gateway lies behind a tunnel. */
const lateSpawner = Layer.effect(
  ChildProcessSpawner,
  Effect.gen(function* () {
    const services = yield* Effect.context<Carried>()
    const load = yield* Effect.cached(
      Effect.gen(function* () {
        const { layer } = yield* Effect.promise(() => import("@effect/platform-node/NodeChildProcessSpawner"))
        return yield* Effect.provide(ChildProcessSpawner, layer)
      }).pipe(Effect.provideContext(services))
    )
    return make((command) => Effect.flatMap(load, ({ spawn }) => spawn(command)))
  })
)

const globalsOf = ({ globals: given }: Asked) => {
  const text = (flag: string) => Option.fromUndefinedOr(given.get(flag)?.[0])
  return Layer.mergeAll(
    Layer.succeed(globals.Json, isOn(given.get("json"))),
    Layer.succeed(globals.Profile, text("profile")),
    Layer.succeed(globals.Dev, isOn(given.get("dev"))),
    Layer.succeed(globals.Url, text("url")),
    Layer.succeed(globals.Token, text("token")),
    Layer.succeed(globals.Password, text("password")),
    Layer.succeed(globals.TlsFingerprint, text("tls-fingerprint"))
  )
}

/** The run of a command that is known here; `undefined` for all others. */
export const directly = (asked: Asked, run: Run): Effect.Effect<void, Reported> | undefined => {
  if (asked.globals.has("log-level")) return undefined
  const load = commands[asked.path.slice(1).join(" ")]?.(asked)
  if (load === undefined) return undefined
  const command = Effect.flatten(Effect.promise(load))
  return carried(Effect.provide(command, Layer.mergeAll(globalsOf(asked), lateSpawner)), run)
}
