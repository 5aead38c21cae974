import * as Clock from "effect/Clock"
import * as Console from "effect/Console"
import * as DateTime from "effect/DateTime"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import * as Option from "effect/Option"
import * as Stream from "effect/Stream"
import * as SubscriptionRef from "effect/SubscriptionRef"
import * as TunnelManagerLive from "../../../client/TunnelManager.ts"
import * as Files from "../../../client/tunnel/sharedFiles.ts"
import { look } from "../../../client/tunnel/sharedLook.ts"
import { StateDir } from "../../../services/StateDir.ts"
import { type Tunnel, TunnelManager, type TunnelState } from "../../../services/TunnelManager.ts"
import { Environment } from "../../Environment.ts"
import { CommandFailed, withFix } from "../../errors.ts"
import { Json } from "../../globals.ts"
import { endsByStopping } from "../../lifetime.ts"
import { document } from "../../output.ts"
import * as State from "../../state.ts"
import { background } from "./background.ts"
import { HOLDER } from "./holder.ts"
import { addition, inWords, stateDocument } from "./show.ts"
import { specOf, type Wanted } from "./spec.ts"

const CLEAR = "\r\u001b[2K"
/** A line that is longer than the terminal would not be cleared whole. */
const WIDTH = 79

/** Who holds it, and how often it came back: told by the holder, which may be another process. */
const about = (tunnel: Tunnel) => Effect.map(look(Files.keyOf(tunnel.spec)), Option.fromUndefinedOr)

/** One line that is written anew every second. */
const live = (tunnel: Tunnel, pid: number, terminal: (text: string) => void) =>
  Effect.gen(function* () {
    const now = yield* Clock.currentTimeMillis
    const state = yield* SubscriptionRef.get(tunnel.state)
    const line = `${tunnel.spec.target}: ${inWords(state, now)}${addition(yield* about(tunnel), pid)}`
    terminal(`${CLEAR}${line.length > WIDTH ? `${line.slice(0, WIDTH - 1)}…` : line}`)
    yield* Effect.sleep("1 second")
  }).pipe(Effect.forever, Effect.ensuring(Effect.sync(() => terminal(CLEAR))))

/** With `--json` each change of state, else those that a person wants to know of. */
const changed = (tunnel: Tunnel, json: boolean) => {
  // That it stopped for good is the command's failure, and told as such.
  const all = Stream.filter(SubscriptionRef.changes(tunnel.state), ({ _tag }) => _tag !== "Stopped")
  if (json) return Stream.changesWith(all, (before, after) => Files.kindOf(before) === Files.kindOf(after))
  return all.pipe(
    Stream.filter((state) => Files.newsOf(state) !== undefined),
    Stream.changesWith((before, after) => Files.newsOf(before) === Files.newsOf(after))
  )
}

/** A line for each change of state. */
const tell = Effect.fnUntraced(function* (tunnel: Tunnel, pid: number, json: boolean, state: TunnelState) {
  const now = yield* Clock.currentTimeMillis
  const { remotePort, target } = tunnel.spec
  const found = yield* about(tunnel)
  if (!json) return yield* Console.log(`Tunnel to ${target}: ${inWords(state, now)}${addition(found, pid)}`)
  const holder = Option.match(found, {
    onNone: () => ({}),
    onSome: ({ status }) => ({ pid: status.pid, program: status.program, reconnects: status.reconnects })
  })
  const at = DateTime.formatIso(DateTime.makeUnsafe(now))
  const { generation } = state
  yield* Console.log(document({ time: at, target, remotePort, generation, ...stateDocument(state), ...holder }, "line"))
})

const untilStopped = (tunnel: Tunnel) =>
  SubscriptionRef.changes(tunnel.state).pipe(
    Stream.mapEffect((state) => (state._tag === "Stopped" ? Effect.fail(state.error) : Effect.void)),
    Stream.runDrain,
    Effect.andThen(Effect.never)
  )

/** Until it was up once. */
const inTime = (tunnel: Tunnel, timeoutMs: number) =>
  Effect.timeoutOrElse(tunnel.ready, {
    duration: timeoutMs,
    orElse: () =>
      Effect.flatMap(SubscriptionRef.get(tunnel.state), (state) => {
        const error = state._tag === "Up" ? undefined : state.error
        const why = error === undefined ? "ssh was not ready" : error.message
        return Effect.fail(
          new CommandFailed({
            message: withFix(
              `the tunnel did not come up within ${timeoutMs} ms. ${why}`,
              `try the same with \`ssh\` itself, or wait longer with --timeout.`
            ).message
          })
        )
      })
  }).pipe(Effect.andThen(Effect.never))

const foreground = Effect.fnUntraced(
  function* (flags: Wanted & { readonly timeout: number | undefined }) {
    const spec = yield* specOf(flags)
    const { pid, terminal } = yield* Environment
    const json = yield* Json
    const manager = yield* TunnelManager
    yield* endsByStopping
    // Who looks for it finds it also where another program holds the tunnel. The first of several is enough.
    yield* Effect.ignore((yield* StateDir).hold(Files.keeperOf(Files.keyOf(spec))))
    const tunnel = yield* manager.up(spec)
    const showing =
      terminal === undefined || json
        ? Effect.andThen(
            Stream.runForEach(changed(tunnel, json), (state) => tell(tunnel, pid, json, state)),
            Effect.never
          )
        : live(tunnel, pid, terminal)
    const ending = flags.timeout === undefined ? [] : [inTime(tunnel, flags.timeout)]
    return yield* Effect.raceAllFirst([showing, untilStopped(tunnel), ...ending])
  },
  Effect.scoped,
  Effect.provide(TunnelManagerLive.layer({ hold: true, holder: HOLDER }).pipe(Layer.provideMerge(State.stateDir)))
)

/** Keeps a tunnel until it is told to stop, or lets another process do that. */
export const run = Effect.fn("cli.tunnel.up")(function* (
  flags: Wanted & { readonly background: boolean; readonly timeout: number | undefined }
) {
  return yield* flags.background ? background(flags) : foreground(flags)
})
