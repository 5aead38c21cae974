/**
 * One tunnel for all processes of a user and state directory: one of them holds it, the others follow what that one says, and
 * one of those takes over when it is gone.
 *
 * Who holds it is decided by a lock (a pid with its start time), and told by a socket that only the holder can serve; no file
 * is taken at its word. A program that soon ends (`hold: false`) follows a tunnel that is there and never holds one, or those
 * that follow it would be cut when it is done: without a holder it has an ssh of its own, at any free port.
 */
import * as Net from "node:net"
import * as Process from "node:process"
import * as Clock from "effect/Clock"
import * as Deferred from "effect/Deferred"
import * as Effect from "effect/Effect"
import type * as FileSystem from "effect/FileSystem"
import * as Option from "effect/Option"
import * as Stream from "effect/Stream"
import * as SubscriptionRef from "effect/SubscriptionRef"
import { formatIso, makeUnsafe } from "effect/DateTime"
import type { StateDir } from "../../services/StateDir.ts"
import {
  type TunnelError,
  TunnelHolderSilent,
  type TunnelSpec,
  type TunnelState,
  type TunnelStatus
} from "../../services/TunnelManager.ts"
import { type Parts, run } from "./run.ts"
import * as Files from "./sharedFiles.ts"
import * as Socket from "./sharedSocket.ts"

/** Where tunnels are shared, and as what. */
export interface Sharing {
  readonly fs: FileSystem.FileSystem
  readonly state: StateDir["Service"]
  /** What this process is, for whoever asks who holds the tunnel. */
  readonly program: string
  readonly hold: boolean
  /** A near end that another program has is replaced by any other: whoever asks goes by `Up`. Always so without `hold`. */
  readonly elsewhere?: boolean | undefined
}

/** One tunnel of this process. */
export interface Own {
  readonly spec: TunnelSpec
  readonly parts: Parts
  readonly state: SubscriptionRef.SubscriptionRef<TunnelState>
  readonly generations: { last: number }
  /** Makes sure that the state is what its holder says now. Nothing to ask where the ssh is this process's own. */
  confirm: Effect.Effect<void>
}

/** A holder that says nothing for so long is stopped or stuck. */
const SILENT_MS = 3000
const ASK_EVERY_MS = 5000
/** Between two looks for a holder that begins or ends. */
const LOOK_EVERY_MS = 50

/** A port that nobody has at this moment; the one that is asked for where the system gives none. */
const freePort = (asked: number) =>
  Effect.callback<number>((resume) => {
    const server = Net.createServer()
    server.once("error", () => resume(Effect.succeed(asked)))
    server.listen(0, "127.0.0.1", () => {
      const address = server.address()
      server.close(() => resume(Effect.succeed(typeof address === "object" && address !== null ? address.port : asked)))
    })
  })

/** The near end is another program's. Where ssh's own configuration asks for a port, another near end would not help. */
const isTaken = (now: TunnelState) => now._tag === "Waiting" && now.error._tag === "PortTaken" && !now.error.configured

/** Its holder had nothing to ask the Gateway with, which proves nothing by itself: this process can find out who it is. */
const isUnasked = (now: TunnelState, { credentials = [] }: TunnelSpec) =>
  now._tag === "Up" && now.gateway === undefined && credentials.length > 0

/** An ssh at a port of this process's choice, and at another one where somebody else has that. */
const anywhere = ({ generations, parts, spec, state }: Own, first: Effect.Effect<number>) => {
  const taken = SubscriptionRef.changes(state).pipe(Stream.filter(isTaken), Stream.take(1), Stream.runDrain)
  const at = (localPort: number) => Effect.raceFirst(run({ ...spec, localPort }, parts, state, generations), taken)
  return Effect.andThen(Effect.flatMap(first, at), Effect.forever(Effect.flatMap(freePort(spec.localPort), at)))
}

/** An ssh that no other process hears of, at a port that nobody had a moment ago. */
const alone = (own: Own) => anywhere(own, freePort(own.spec.localPort))

/** An ssh at the port that is asked for, where that has to be. */
const asked = (own: Own, { elsewhere }: Sharing) =>
  elsewhere === true
    ? anywhere(own, Effect.succeed(own.spec.localPort))
    : run(own.spec, own.parts, own.state, own.generations)

/** Holds the tunnel, whose lock is this process's until the scope closes. */
const hold = Effect.fnUntraced(function* (key: string, own: Own, sharing: Sharing) {
  const { fs, program, state: dir } = sharing
  const { spec, state } = own
  const { hostKeyPolicy, identityFile, localPort, remotePort, target } = spec
  const heldSince = yield* Clock.currentTimeMillis
  let reconnects = 0
  let upSince: number | undefined
  let lastError: TunnelStatus["lastError"]
  let recorded = ""
  let written = ""
  let near = localPort
  const status = () => {
    const now = SubscriptionRef.getUnsafe(state)
    if (now._tag === "Up") near = now.localPort
    return Files.encodeStatus({
      version: 1,
      target,
      remotePort,
      localPort: near,
      identityFile,
      hostKeyPolicy,
      pid: Process.pid,
      program,
      heldSince,
      state: now,
      reconnects,
      lastError
    })
  }
  const { publish } = yield* Socket.serve(Files.placeOf(fs, dir, key), status)
  const log = (line: Pick<Files.LogLine, "level" | "message">) =>
    Effect.flatMap(Clock.currentTimeMillis, (at) =>
      Files.appendLog(fs, dir.path(Files.logOf(key)), { time: formatIso(makeUnsafe(at)), ...line, target })
    )

  const tell = Effect.fnUntraced(function* (now: TunnelState) {
    const at = yield* Clock.currentTimeMillis
    // A Gateway that was away behind an ssh that stood counts too.
    if (now._tag === "Up" && upSince !== now.since) {
      if (upSince !== undefined) reconnects += 1
      upSince = now.since
    }
    if (now._tag !== "Up" && now.error !== undefined && now.error !== lastError?.error) {
      lastError = { at, error: now.error }
    }
    yield* publish
  })
  const keep = Effect.fnUntraced(function* (now: TunnelState) {
    // A round trip more is no news.
    const kind = Files.kindOf(now)
    if (kind === recorded) return
    recorded = kind
    yield* Effect.ignore(dir.write(Files.recordOf(key), status()))
    const news = Files.newsOf(now)
    if (news === undefined || news === written) return
    written = news
    yield* log(Files.told(now))
  })
  const isStopped = () => SubscriptionRef.getUnsafe(state)._tag === "Stopped"
  yield* Effect.addFinalizer(() =>
    // Why it stopped for good stays to be read; the rest ends with its holder.
    isStopped()
      ? Effect.void
      : Effect.andThen(
          log({ level: "info", message: `let go by ${program} (pid ${Process.pid})` }),
          Effect.ignore(fs.remove(dir.path(Files.recordOf(key)), { force: true }))
        )
  )
  yield* log({ level: "info", message: `held by ${program} (pid ${Process.pid})` })
  const each = (use: (now: TunnelState) => Effect.Effect<void>) =>
    Effect.andThen(Stream.runForEach(SubscriptionRef.changes(state), use), Effect.never)
  // Those who follow hear of a change at once, and not after a disk did.
  return yield* Effect.raceAllFirst([asked(own, sharing), each(tell), each(keep)]).pipe(
    Effect.onExit(() => {
      const last = SubscriptionRef.getUnsafe(state)
      return isStopped() ? Effect.andThen(tell(last), keep(last)) : Effect.void
    })
  )
})

/** Follows what the process `pid` says, until it is gone or, where that is not waited out, silent: says whether it was. */
const follow = Effect.fnUntraced(function* (pid: number, patient: boolean, key: string, own: Own, sharing: Sharing) {
  const { generations, spec, state } = own
  const silent = new TunnelHolderSilent({ target: spec.target, pid })
  const set = (next: TunnelState) => SubscriptionRef.set(state, next)
  const mute = Effect.suspend(() =>
    set({ _tag: "Waiting", generation: generations.last, delayMs: ASK_EVERY_MS, error: silent })
  )
  const place = Files.placeOf(sharing.fs, sharing.state, key)
  const holder = Effect.orElseSucceed(sharing.state.holder(Files.lockOf(key)), () => undefined)

  /** A holder that has just begun does not serve yet, and one that ends serves no more. */
  const connected = Effect.gen(function* () {
    for (let waited = 0; ; waited += LOOK_EVERY_MS) {
      const link = yield* Effect.option(Socket.connect(place))
      if (Option.isSome(link)) return link.value
      if ((yield* holder) !== pid) return "gone"
      if (waited >= SILENT_MS) {
        if (!patient) return "silent"
        yield* mute
      }
      yield* Effect.sleep(waited >= SILENT_MS ? ASK_EVERY_MS : LOOK_EVERY_MS)
    }
  })
  const link = yield* connected
  if (typeof link === "string") return link

  /** By one that does not wait for its holder to get well. */
  const givenUp = yield* Deferred.make<"silent">()
  let seen: number | undefined
  let asked = 0
  const answers = new Map<number, Deferred.Deferred<void>>()
  const hear = Effect.gen(function* () {
    const heard = yield* link.heard
    const status = Option.getOrUndefined(Files.decodeStatus(heard.status))
    // Another version of this program, which cannot be followed and need not be ended for that.
    if (status === undefined) return yield* mute
    // Not the process that has the lock: the next one.
    if (status.pid !== pid) return yield* new Socket.SharedSocketClosed({ message: "it has another holder" })
    if (status.state.generation !== seen) {
      seen = status.state.generation
      generations.last += 1
    }
    const next = { ...status.state, generation: generations.last }
    if (!patient && isUnasked(next, spec)) return yield* Deferred.succeed(givenUp, "silent")
    // Its end is not the end of this one, which is then on its own.
    yield* set(next._tag === "Stopped" ? { ...next, _tag: "Connecting" } : next)
    // The port that its holder wants is no need of this process.
    if (!patient && isTaken(next)) yield* Deferred.succeed(givenUp, "silent")
    const answer = heard.asked === undefined ? undefined : answers.get(heard.asked)
    if (answer !== undefined) yield* Deferred.succeed(answer, undefined)
  })
  const ask = Effect.gen(function* () {
    const question = ++asked
    const answer = yield* Deferred.make<void>()
    answers.set(question, answer)
    yield* link.ask(question)
    const heard = yield* Effect.timeoutOption(Deferred.await(answer), SILENT_MS)
    answers.delete(question)
    if (Option.isSome(heard)) return
    yield* mute
    if (!patient) yield* Deferred.succeed(givenUp, "silent")
  })
  const watch = Effect.forever(Effect.andThen(ask, Effect.sleep(ASK_EVERY_MS)))
  own.confirm = ask
  const gone = Effect.orElseSucceed(Effect.forever(hear), () => "gone" as const)
  return yield* Effect.raceAllFirst([gone, Deferred.await(givenUp), watch]).pipe(
    Effect.ensuring(
      Effect.suspend(() => {
        own.confirm = Effect.void
        // Whoever waits for an answer looks at the state again, and leaves it alone.
        for (const answer of answers.values()) Deferred.doneUnsafe(answer, Effect.void)
        const now = SubscriptionRef.getUnsafe(state)
        const error = now._tag === "Up" ? undefined : now.error
        return set({ _tag: "Connecting", generation: generations.last, error })
      })
    )
  )
})

/** Runs for ever; fails with what waiting cannot heal. */
export const shared = Effect.fnUntraced(function* (own: Own, sharing: Sharing): Effect.fn.Return<never, TunnelError> {
  const key = Files.keyOf(own.spec)
  const lock = Files.lockOf(key)
  const once = Effect.gen(function* () {
    if (!sharing.hold) {
      const pid = yield* Effect.orElseSucceed(sharing.state.holder(lock), () => undefined)
      const ended = pid === undefined ? "gone" : yield* follow(pid, false, key, own, sharing)
      // One that is gone may have been followed by another.
      return pid === undefined || ended === "silent" ? yield* alone(own) : undefined
    }
    yield* Effect.andThen(sharing.state.hold(lock), hold(key, own, sharing)).pipe(
      // The lock of what cannot be shared is let go first.
      Effect.scoped,
      Effect.catchTags({
        LockHeld: ({ pid }) => follow(pid, true, key, own, sharing),
        // What cannot be shared is still a tunnel.
        SharedSocketClosed: (error) => unshared(error.message),
        StateDirUnusable: (error) => unshared(error.message)
      })
    )
  })
  const unshared = (reason: string) =>
    Effect.andThen(
      Effect.logWarning(`the tunnel to ${own.spec.target} is not shared with other programs: ${reason}`),
      asked(own, sharing)
    )
  for (;;) {
    yield* Effect.scoped(once)
    // Whoever ends lets go of its socket before its lock.
    yield* Effect.sleep(LOOK_EVERY_MS)
  }
})
