import * as Effect from "effect/Effect"
import * as Option from "effect/Option"
import * as Schedule from "effect/Schedule"
import { all, dismiss, type Found, look } from "../../../client/tunnel/sharedLook.ts"
import * as Files from "../../../client/tunnel/sharedFiles.ts"
import { StateDir } from "../../../services/StateDir.ts"
import { CommandFailed } from "../../errors.ts"
import { plain, print } from "../../output.ts"
import { waiting } from "../../progress.ts"
import { signal } from "../../signal.ts"
import * as State from "../../state.ts"
import { HOLDER } from "./holder.ts"
import { targetOf } from "./spec.ts"

/** An ssh that does not end by itself is made to after half a second; who takes longer than this is stuck. */
const PATIENCE = "10 seconds"
/** Within this a program that waits for its turn has taken over. */
const TAKE_OVER = "300 millis"

const refused = (pid: number) => (code: string) =>
  `pid ${pid}, which keeps the tunnel, could not be told to stop (${code}).\nFix: stop it as the user who started it.`

interface Keeper {
  readonly lock: string
  readonly pid: number
}

/** The `openclaw tunnel up` to end next: the one that holds the tunnel, else one that stands by. */
const keeperOf = Effect.fnUntraced(function* (key: string, found: Found | undefined) {
  if (found !== undefined && found.how !== "stopped" && found.status.program === HOLDER) {
    return { lock: Files.lockOf(key), pid: found.status.pid } satisfies Keeper
  }
  const lock = Files.keeperOf(key)
  const pid = yield* Effect.flatMap(StateDir, (state) => state.holder(lock))
  return pid === undefined ? undefined : ({ lock, pid } satisfies Keeper)
})

/** Ends the process that holds the lock, which is the one that was started as such: a pid that is another's by now holds none. */
const end = Effect.fnUntraced(function* ({ lock, pid }: Keeper) {
  const state = yield* StateDir
  const isThere = Effect.map(state.holder(lock), (holder) => holder === pid)
  if (!(yield* isThere)) return
  yield* signal(pid, "SIGTERM", refused(pid))
  // A process that was stopped hears nothing before it goes on.
  yield* signal(pid, "SIGCONT", refused(pid))
  yield* Effect.repeat(isThere, { while: (there) => there, schedule: Schedule.spaced("50 millis") }).pipe(
    Effect.timeoutOrElse({
      duration: PATIENCE,
      orElse: () =>
        Effect.fail(
          new CommandFailed({
            message: `pid ${pid}, which keeps the tunnel, did not stop within ${PATIENCE}.\nFix: end it with \`kill -9 ${pid}\`.`
          })
        )
    }),
    waiting(`Waiting for pid ${pid} to end`)
  )
})

interface Ended {
  readonly target: string
  readonly pids: ReadonlyArray<number>
  /** Another program that needs the tunnel, and has it now. */
  readonly keptBy?: { readonly pid: number; readonly program: string }
}

/** Who has it now: one that is only taking over is waited for. */
const next = Effect.fnUntraced(function* (key: string) {
  yield* Effect.sleep(TAKE_OVER)
  const state = yield* StateDir
  const isHeld = Effect.map(state.holder(Files.lockOf(key)), (holder) => holder !== undefined)
  return yield* Effect.repeat(look(key), {
    while: (found) => (found === undefined ? isHeld : Effect.succeed(false)),
    schedule: Schedule.spaced("50 millis"),
    times: 60
  })
})

/** Ends the holder, and those that wait to take over, until nobody does or one that is not for this command to end. */
const endAll = Effect.fnUntraced(function* (first: Found) {
  const { key } = first
  const { target } = first.status
  const pids: Array<number> = []
  let found: Found | undefined = first
  for (;;) {
    const keeper: Keeper | undefined = yield* keeperOf(key, found)
    if (keeper === undefined) break
    yield* end(keeper)
    pids.push(keeper.pid)
    found = yield* next(key)
  }
  if (found?.how === "stopped") yield* dismiss(found)
  if (found === undefined || found.how === "stopped") return { target, pids } satisfies Ended
  return { target, pids, keptBy: { pid: found.status.pid, program: found.status.program } } satisfies Ended
})

const inWords = ({ keptBy, pids, target }: Ended): string =>
  [
    ...pids.map((pid) =>
      keptBy === undefined
        ? `The tunnel to ${target} is down (pid ${pid} ended).`
        : `pid ${pid}, which kept a tunnel to ${target}, ended.`
    ),
    ...(keptBy === undefined
      ? []
      : [`pid ${keptBy.pid} (${plain(keptBy.program)}) needs a tunnel to ${target}, and keeps it.`]),
    ...(keptBy === undefined && pids.length === 0 ? [`The tunnel to ${target} had stopped by itself.`] : [])
  ].join("\n")

/** Says so where there is none. A tunnel that another program keeps for itself is not taken from it. */
export const run = Effect.fn("cli.tunnel.down")(function* (flags: {
  readonly target: Option.Option<string>
  readonly all: boolean
}) {
  const there = yield* all
  const asked = flags.all ? undefined : yield* targetOf(flags.target)
  const [only] = there
  if (!flags.all && asked === undefined && there.length > 1) {
    return yield* new CommandFailed({
      message: `${there.length} tunnels are kept here.\nFix: name one (${[...new Set(there.map(({ status }) => status.target))].join(", ")}), or give --all.`
    })
  }
  const meant = flags.all
    ? there
    : asked === undefined
      ? only === undefined
        ? []
        : [only]
      : there.filter(({ status }) => status.target === asked)
  const ended: Array<Ended> = []
  for (const found of meant) ended.push(yield* endAll(found))
  const kept = ended.find(({ keptBy, pids }) => keptBy !== undefined && pids.length === 0)?.keptBy
  if (kept !== undefined && !flags.all) {
    return yield* new CommandFailed({
      message: `the tunnel is kept by pid ${kept.pid} (${plain(kept.program)}), which needs it.\nFix: stop that program.`
    })
  }
  yield* print({ ok: true, ended }, () =>
    ended.length === 0
      ? `No tunnel${asked === undefined ? "" : ` to ${asked}`} is kept here.`
      : ended.map(inWords).join("\n")
  )
}, Effect.provide(State.stateDir))
