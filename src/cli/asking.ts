/**
 * Questions on a terminal, with a way back: Esc goes back, Ctrl-C stops. Both are failures of a question, told apart.
 */
import * as NodeTerminal from "@effect/platform-node/NodeTerminal"
import * as Context from "effect/Context"
import * as Effect from "effect/Effect"
import type * as FileSystem from "effect/FileSystem"
import * as Option from "effect/Option"
import type * as Path from "effect/Path"
import * as Queue from "effect/Queue"
import * as Schema from "effect/Schema"
import type * as Scope from "effect/Scope"
import * as Terminal from "effect/Terminal"
import * as Prompt from "effect/cli/Prompt"

/** Esc: the question before this one, please; or so many before. */
export class Back extends Schema.TaggedError<Back>()("Back", { steps: Schema.optional(Schema.Int) }) {}

/** Ctrl-C, Ctrl-D, or a terminal that is gone. */
export class Quit extends Schema.TaggedError<Quit>()("Quit", {}) {}

type MakeTerminal = (
  shouldQuit: (input: Terminal.UserInput) => boolean
) => Effect.Effect<Terminal.Terminal, never, Scope.Scope>

/** The terminal of this process, unless somebody gives another. */
export const MakeTerminal = Context.Reference<MakeTerminal>("openclaw/cli/MakeTerminal", {
  defaultValue: () => NodeTerminal.make
})

export class Asking extends Context.Service<
  Asking,
  {
    readonly ask: <A>(prompt: Prompt.Prompt<A>) => Effect.Effect<A, Back | Quit, FileSystem.FileSystem | Path.Path>
    /** Waits until the effect succeeds; nothing when Enter or Esc says not to wait any more. */
    readonly orSkip: <A, E, R>(effect: Effect.Effect<A, E, R>) => Effect.Effect<Option.Option<A>, E | Quit, R>
  }
>()("openclaw/cli/Asking") {}

/** For as long as the scope is open; between questions the keys do what they always do. */
export const make = Effect.gen(function* () {
  let isBack = false
  const terminal = yield* (yield* MakeTerminal)(({ key }) => {
    const quits = key.name === "escape" || (key.ctrl && (key.name === "c" || key.name === "d"))
    if (quits) isBack = key.name === "escape"
    return quits
  })
  const refused = Effect.suspend((): Effect.Effect<never, Back | Quit> =>
    Effect.fail(isBack ? new Back({}) : new Quit({}))
  )
  const skipped = Effect.gen(function* () {
    isBack = false
    const keys = yield* terminal.readInput
    while (true) {
      const pressed = yield* Effect.result(Queue.take(keys))
      if (pressed._tag === "Failure") return isBack ? Option.none() : yield* new Quit({})
      const { name } = pressed.success.key
      if (name === "enter" || name === "return") return Option.none()
    }
  }).pipe(Effect.scoped)
  return Asking.of({
    ask: (prompt) =>
      Effect.suspend(() => {
        isBack = false
        return Prompt.run(prompt)
      }).pipe(
        Effect.provideService(Terminal.Terminal, terminal),
        Effect.catchTag("QuitError", () => refused)
      ),
    orSkip: (effect) => Effect.raceFirst(Effect.asSome(effect), skipped)
  })
})

export interface Choice<A> {
  readonly title: string
  readonly value: A
  readonly description?: string
}

/** One of some; the first is chosen by Enter alone. */
export const choose = <A>(message: string, choices: ReadonlyArray<Choice<A>>) =>
  Effect.flatMap(Asking, ({ ask }) => ask(Prompt.Select({ message, choices })))

/** One of many, found by typing a part of it. */
export const search = (message: string, names: ReadonlyArray<string>) =>
  Effect.flatMap(Asking, ({ ask }) =>
    ask(Prompt.AutoComplete({ message, choices: names.map((name) => ({ title: name, value: name })) }))
  )

/** A line of text; `validate` gives what is wrong with it. */
export const line = <R = never>(options: {
  readonly message: string
  readonly initial?: string | undefined
  readonly validate?: (text: string) => Effect.Effect<string | undefined, never, R>
}) =>
  Effect.gen(function* () {
    const context = yield* Effect.context<R>()
    const { ask } = yield* Asking
    const { initial, message, validate } = options
    const text = yield* ask(
      Prompt.String({
        message,
        ...(initial === undefined ? undefined : { default: initial }),
        validate: (given) =>
          Effect.flatMap(Effect.provide(validate?.(given.trim()) ?? Effect.undefined, context), (problem) =>
            problem === undefined ? Effect.succeed(given.trim()) : Effect.fail(problem)
          )
      })
    )
    return text
  })

/** A secret, shown as stars. `problemOf` says what is wrong with it. */
export const secret = (message: string, problemOf: (text: string) => string | undefined = () => undefined) =>
  Effect.flatMap(Asking, ({ ask }) =>
    ask(
      Prompt.Password({
        message,
        validate: (given) => {
          const problem = problemOf(given.trim())
          return problem === undefined ? Effect.succeed(given.trim()) : Effect.fail(problem)
        }
      })
    )
  )

/**
 * One question after the other: who goes back from the second is asked the first again. `first` must be one that asks, or
 * nobody gets further back than it.
 */
export const followed = <A, E, R, B, E2, R2>(
  first: Effect.Effect<A, E | Back, R>,
  rest: (answer: A) => Effect.Effect<B, E2 | Back, R2>
): Effect.Effect<B, E | E2 | Back, R | R2> =>
  Effect.flatMap(first, (answer) =>
    Effect.catchIf(
      rest(answer),
      (error): error is Back => error instanceof Back,
      ({ steps = 1 }): Effect.Effect<B, E | E2 | Back, R | R2> =>
        steps > 1 ? Effect.fail(new Back({ steps: steps - 1 })) : followed(first, rest)
    )
  )
