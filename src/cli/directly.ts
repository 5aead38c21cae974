/**
 * How a command runs without the command tree: the door has taken its command line apart, so that of all commands only the one
 * that was asked for is loaded, and no parser.
 *
 * What each makes of its flags is said a second time where it is named. `test/cli/direct.test.ts` holds it against what the
 * tree makes of them.
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
export type Take<A> = (asked: Asked) => A | typeof Not

export const Not = Symbol("openclaw/cli/directly/Not")

const isOn = (values: ReadonlyArray<string> | undefined): boolean =>
  values !== undefined && /^(?:true|yes|on|1|y)$/.test(values[0] ?? "")

export const on =
  (flag: string): Take<boolean> =>
  ({ flags }) =>
    isOn(flags.get(flag))

export const text =
  (flag: string): Take<string | undefined> =>
  ({ flags }) =>
    flags.get(flag)?.[0]

/** A plain number in a range; whatever else is given, the tree judges. */
export const whole =
  <A extends number | undefined>(flag: string, standard: A, minimum = 1, maximum = 999_999_999): Take<number | A> =>
  ({ flags }) => {
    const given = flags.get(flag)?.[0]
    if (given === undefined) return standard
    if (!/^(?:0|[1-9]\d{0,8})$/.test(given)) return Not
    const value = Number(given)
    return value >= minimum && value <= maximum ? value : Not
  }

/** One of some words. */
export const choice =
  <Word extends string>(flag: string, words: ReadonlyArray<Word>): Take<Word | undefined> =>
  ({ flags }) => {
    const given = flags.get(flag)?.[0]
    return given === undefined ? undefined : (words.find((word) => word === given) ?? Not)
  }

export const word: Take<string> = ({ words }) => words[0] ?? Not

type Services = Carried | globals.Globals | globals.LogLevel | ChildProcessSpawner

interface Handler<Input> {
  readonly run: (input: Input) => Effect.Effect<void, unknown, Services>
}

/** A command with its flags taken apart; `undefined` where they have to be parsed again. */
export type Direct = (asked: Asked) => (() => Promise<Effect.Effect<void, unknown, Services>>) | undefined

export const direct =
  <Input extends object>(
    load: () => Handler<Input> | Promise<Handler<Input>>,
    params: { readonly [Name in keyof Input]-?: Take<Input[Name]> }
  ): Direct =>
  (asked) => {
    const takes: ReadonlyArray<readonly [string, Take<unknown>]> = Object.entries(params)
    const given = takes.map(([name, take]) => [name, take(asked)] as const)
    if (given.some(([, value]) => value === Not)) return undefined
    // Its keys are those of `params`, its values what they took.
    const input = Object.fromEntries(given) as Input
    return async () => (await load()).run(input)
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
    Layer.succeed(globals.LogLevel, Option.none()),
    Layer.succeed(globals.Json, isOn(given.get("json"))),
    Layer.succeed(globals.Profile, text("profile")),
    Layer.succeed(globals.Dev, isOn(given.get("dev"))),
    Layer.succeed(globals.Url, text("url")),
    Layer.succeed(globals.Token, text("token")),
    Layer.succeed(globals.Password, text("password")),
    Layer.succeed(globals.TlsFingerprint, text("tls-fingerprint"))
  )
}

/** The run of a command of this table; `undefined` for all others. */
export const directlyBy = (
  commands: Readonly<Record<string, Direct>>,
  asked: Asked,
  run: Run
): Effect.Effect<void, Reported> | undefined => {
  if (asked.globals.has("log-level")) return undefined
  const load = commands[asked.path.slice(1).join(" ")]?.(asked)
  if (load === undefined) return undefined
  const command = Effect.flatten(Effect.promise(load))
  return carried(Effect.provide(command, Layer.mergeAll(globalsOf(asked), lateSpawner)), run)
}
