/**
 * Onboarding as a conversation: four steps with a way back, one write, a Gateway that says hello, a first reply.
 */
import * as Console from "effect/Console"
import * as Effect from "effect/Effect"
import * as Fiber from "effect/Fiber"
import * as Option from "effect/Option"
import * as Result from "effect/Result"
import { ServiceManager } from "../../../services/ServiceManager.ts"
import type { OpenClawConfig } from "../../../services/ConfigSchema.ts"
import * as Asking from "../../asking.ts"
import { configuration } from "../../configuration.ts"
import { Environment } from "../../Environment.ts"
import { describe, NotWell } from "../../errors.ts"
import { owner } from "../../gateway.ts"
import { endsByStopping } from "../../lifetime.ts"
import { fields, lines, plain, tilde } from "../../output.ts"
import { serviceManager } from "../../service/manager.ts"
import * as State from "../../state.ts"
import * as Access from "./access.ts"
import * as AskAccess from "./askAccess.ts"
import * as AskModel from "./askModel.ts"
import * as AskTelegram from "./askTelegram.ts"
import type { Decided } from "./Draft.ts"
import type { OnboardFlags, Reader } from "./flags.ts"
import * as Model from "./model.ts"
import * as Start from "./start.ts"
import { store } from "./store.ts"
import * as Talk from "./talk.ts"
import * as Telegram from "./telegram.ts"

const NAMES = ["Model", "Telegram", "Access", "Gateway"] as const

/** Steps before the write. */
const BEFORE_WRITE = 3

const heading = (at: number): string => `\n${at + 1} of ${NAMES.length}: ${NAMES[at] ?? ""}`

/** One of the first three; what the flags say is not asked. */
const decideOne = Effect.fnUntraced(function* (
  at: number,
  flags: OnboardFlags,
  reader: Reader,
  present: OpenClawConfig
) {
  switch (at) {
    case 0:
      return Model.isGiven(flags) ? yield* Model.byFlags(flags, reader, present) : yield* AskModel.ask(present)
    case 1:
      return Telegram.isGiven(flags)
        ? yield* Telegram.byFlags(flags, reader, present)
        : yield* AskTelegram.ask(present, flags.telegramApiRoot)
    default:
      return Access.isGiven(flags) ? yield* Access.byFlags(flags, reader, present) : yield* AskAccess.ask(present)
  }
})

/** Exit code of a program that was told to stop. */
const INTERRUPTED = 130

const summaryOf = (all: ReadonlyArray<Decided>): string =>
  fields(all.map(({ shown }, at) => [NAMES[at] ?? "", shown ?? "as it is"] as const))

const askToStore = (all: ReadonlyArray<Decided>, file: string) =>
  Effect.gen(function* () {
    yield* Console.log(`\n${summaryOf(all)}`)
    const go = yield* Asking.choose(`Store this in ${file}?`, [
      { title: "Store it", value: "store" as const },
      { title: "Go back", value: "back" as const },
      { title: "Stop, and change nothing", value: "stop" as const }
    ])
    if (go === "back") return yield* new Asking.Back({})
    if (go === "stop") return yield* new Asking.Quit({})
  })

/** The first three steps and the write. Until that, stopping changes nothing. */
const decide = Effect.fnUntraced(function* (flags: OnboardFlags, reader: Reader) {
  const { home } = yield* Environment
  const { config: present, path } = yield* configuration
  const all: Array<Decided> = []
  const given = [Model.isGiven(flags), Telegram.isGiven(flags), Access.isGiven(flags)]
  const step = Effect.fnUntraced(function* (at: number) {
    if (at === BEFORE_WRITE) return yield* askToStore(all, tilde(path, home))
    // Flags say it once: standard input is not there a second time.
    if (given[at] === true && all[at] !== undefined) return
    yield* Console.log(heading(at))
    all[at] = yield* decideOne(at, flags, reader, present)
  })
  let at = 0
  while (at <= BEFORE_WRITE) {
    const wentBack: boolean = yield* step(at).pipe(
      Effect.as(false),
      Effect.catchTag("Back", () => Effect.succeed(true))
    )
    // Back to what was asked; where nothing was, it stays.
    const before = given.findLastIndex((isGiven, index) => index < at && !isGiven)
    at = wentBack ? (before === -1 ? at : before) : at + 1
  }
  const { changed, restart } = yield* store(all)
  yield* Console.log(changed.length === 0 ? "Nothing to change." : `Stored in ${tilde(path, home)}.`)
  return { bot: all[1]?.bot ?? "your bot", restart }
})

const serviceName = Effect.map(ServiceManager, ({ label }) => label).pipe(
  Effect.provide(serviceManager),
  Effect.asSome,
  Effect.orElseSucceed(() => Option.none<string>())
)

type Way = "service" | "here" | "later"

/** The ways in which it may run; what cannot be is not offered. */
const askWay = Effect.fnUntraced(function* ({ skipDaemon }: OnboardFlags) {
  const manager = skipDaemon ? Option.none() : yield* serviceName
  return yield* Asking.choose<Way>("How shall the Gateway run?", [
    ...Option.match(manager, {
      onNone: () => [],
      onSome: (label) => [
        { title: "From now on, by itself", value: "service" as const, description: `a service of ${label}` }
      ]
    }),
    { title: "In this terminal, until I stop it", value: "here" },
    { title: "Not now", value: "later" }
  ])
})

const startBy = Effect.fnUntraced(function* (way: Exclude<Way, "later">) {
  if (way === "here") return yield* Start.here()
  yield* Start.asService()
  return { running: undefined, ...(yield* Start.untilHello) }
})

/** Starts it, or finds that it runs; the fiber where it runs in this process. */
const begin = Effect.fnUntraced(function* (flags: OnboardFlags, restart: string | undefined) {
  const running = Option.getOrUndefined(yield* owner)
  if (running !== undefined && !flags.installDaemon) {
    const found = yield* Start.untilHello
    const note = restart === undefined ? "" : ` ${restart}`
    yield* Console.log(`The Gateway runs already (pid ${running.pid}); it answers in ${found.latencyMs} ms.${note}`)
    return { runs: true, fiber: undefined }
  }
  let wanted: Way | undefined = flags.installDaemon ? "service" : undefined
  while (true) {
    const way: Way = wanted ?? (yield* askWay(flags))
    wanted = undefined
    if (way === "later") return { runs: false, fiber: undefined }
    const started = yield* Effect.result(startBy(way))
    if (Result.isFailure(started)) {
      yield* Console.error(lines(describe(started.failure).message))
      continue
    }
    yield* Console.log(`The Gateway says hello (${started.success.latencyMs} ms).`)
    return { runs: true, fiber: started.success.running }
  }
})

const next = (program: string, runs: boolean): string =>
  fields([
    [
      "Talk to it",
      runs ? `${program} agent --message "…"` : `${program} gateway run, then ${program} agent --message "…"`
    ],
    ["The page", `${program} dashboard`],
    ["Is all well?", `${program} doctor`],
    ["A second machine", `${program} qr, then ${program} node run there`],
    ["This again", `${program} onboard`]
  ])

/** Whether strangers wait for somebody to let them in. */
const letsIn = Effect.map(configuration, ({ config }) => {
  const telegram = config.channels?.telegram
  return telegram !== undefined && telegram.enabled !== false && (telegram.dmPolicy ?? "pairing") === "pairing"
})

/** Going back from a question whose answer is not needed passes it over. */
const optional = <A, E, R>(effect: Effect.Effect<A, E | Asking.Back, R>) =>
  Effect.catchIf(
    Effect.asVoid(effect),
    (error): error is Extract<E, Asking.Back> | Asking.Back => error instanceof Asking.Back,
    () => Effect.void
  )

/** Everything after the write: what is stored stays, whenever one stops. */
const goOn = Effect.fnUntraced(function* (
  flags: OnboardFlags,
  program: string,
  { bot, restart }: Effect.Success<ReturnType<typeof decide>>
) {
  yield* Console.log(heading(NAMES.length - 1))
  const { fiber, runs } = yield* begin(flags, restart)
  if (runs && (yield* letsIn)) yield* optional(Talk.letIn(bot))
  if (runs) yield* optional(Talk.firstMessage())
  yield* Console.log(`\n${next(program, runs)}`)
  if (fiber === undefined) return
  yield* Console.log("\nThe Gateway runs in this terminal. Ctrl-C stops it.")
  yield* endsByStopping
  return yield* Fiber.join(fiber)
})

const stopped = (said: string) => Effect.andThen(Console.error(said), new NotWell({ exitCode: INTERRUPTED }))

export const run = Effect.fn("cli.onboard.interactive")(
  function* (flags: OnboardFlags, reader: Reader, program: string) {
    const { home } = yield* Environment
    const { configFile } = yield* State.plan
    const file = plain(tilde(configFile, home))
    const nothing = "Stopped; nothing was changed."
    const kept = `Stopped; what was chosen is stored in ${file}. \`${program} onboard\` goes on from there.`
    yield* Console.log(
      "Enter takes what is marked, Esc goes back, Ctrl-C stops. Nothing is stored before the end of step 3."
    )
    const decided = yield* decide(flags, reader).pipe(
      Effect.catchTag("Quit", () => stopped(nothing)),
      Effect.onInterrupt(() => Console.error(nothing))
    )
    yield* goOn(flags, program, decided).pipe(
      Effect.catchIf(
        (error): error is Asking.Back | Asking.Quit => error instanceof Asking.Back || error instanceof Asking.Quit,
        () => stopped(kept)
      )
    )
  },
  (effect) => Effect.provideServiceEffect(effect, Asking.Asking, Asking.make),
  Effect.scoped
)
