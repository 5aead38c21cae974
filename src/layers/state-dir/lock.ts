/**
 * The lock file of a state directory.
 *
 * A lock appears complete or not at all (a synced copy is hard-linked to its name, which fails when the name is taken), and
 * says who holds it: pid, that process's start time, a nonce of its own, and later where it listens. A lock whose holder is gone is replaced by
 * whoever first takes a second lock named after the dead one's nonce, so of many starters exactly one takes over; if that one
 * dies half-way, its second lock is itself a dead lock and is taken over the same way.
 */
import { createHash, randomBytes } from "node:crypto"
import * as NodePath from "node:path"
import * as Process from "node:process"
import * as Effect from "effect/Effect"
import type * as FileSystem from "effect/FileSystem"
import * as Option from "effect/Option"
import * as Schema from "effect/Schema"
import { GatewayAlreadyRunning, StateDirUnusable } from "../../services/StateDir.ts"
import { readPrivateFile, replacePrivateFile, unusable, withSyncedCopy } from "./privateFiles.ts"
import type { Identify } from "./processIdentity.ts"
import { UNKNOWN } from "./processIdentity.ts"

const Holder = Schema.Struct({
  pid: Schema.Int.pipe(Schema.check(Schema.isGreaterThanOrEqualTo(1))),
  /** The holder's start time as `Identify` gives it. */
  started: Schema.String,
  nonce: Schema.String.pipe(Schema.check(Schema.isPattern(/^[0-9a-f]{32}$/))),
  /** Where the holder can be reached; not there before it listens. */
  url: Schema.optional(Schema.String)
})
type Holder = typeof Holder.Type
const HolderJson = Schema.fromJsonString(Holder)
const decodeHolder = Schema.decodeUnknownOption(HolderJson)
const encodeHolder = Schema.encodeSync(HolderJson)

/** More rounds than this mean that the file changes faster than it can be read, which no real set of starters does. */
const ROUNDS = 100

export interface LockOptions {
  readonly fs: FileSystem.FileSystem
  readonly identify: Identify
  readonly stateDir: string
  /** Absolute path of the lock file. */
  readonly file: string
  /** How it is told that a holder died; as a warning when left out. */
  readonly log?: ((message: string) => Effect.Effect<void>) | undefined
}

const isRunning = (identify: Identify, holder: Holder) =>
  Effect.map(identify(holder.pid), (found) =>
    Option.exists(found, (identity) => [holder.started, UNKNOWN].includes(identity) || holder.started === UNKNOWN)
  )

/** Who holds the lock: a process that is alive. */
export const holderOf = Effect.fnUntraced(function* (options: Pick<LockOptions, "file" | "fs" | "identify">) {
  const text = yield* readPrivateFile(options.fs, options.file)
  const holder = text === undefined ? Option.none<Holder>() : decodeHolder(text)
  return Option.isSome(holder) && (yield* isRunning(options.identify, holder.value))
    ? Option.some({ pid: holder.value.pid, url: holder.value.url })
    : Option.none()
})

export const acquireLock = Effect.fnUntraced(function* (options: LockOptions) {
  const { fs, log = (message: string) => Effect.logWarning(message) } = options
  const nonce = randomBytes(16).toString("hex")
  const started = Option.getOrElse(yield* options.identify(Process.pid), () => UNKNOWN)
  const content = encodeHolder({ pid: Process.pid, started, nonce })

  const read = Effect.fnUntraced(function* (file: string) {
    const text = yield* readPrivateFile(fs, file)
    if (text === undefined) return undefined
    return Option.match(decodeHolder(text), {
      onSome: (holder) => ({ nonce: holder.nonce, holder: Option.some(holder) }),
      // Not written by us, or damaged: nobody can be alive behind it. Its content stands in for a nonce.
      onNone: () => ({
        nonce: createHash("sha256").update(text).digest("hex").slice(0, 32),
        holder: Option.none<Holder>()
      })
    })
  })

  const isAlive = (holder: Holder) => isRunning(options.identify, holder)

  const release = (file: string) =>
    read(file).pipe(
      Effect.flatMap((found) => (found?.nonce === nonce ? fs.remove(file, { force: true }) : Effect.void)),
      Effect.catch((error) => Effect.logWarning(`${file} could not be removed: ${error.message}`))
    )

  /** Creates `file` with our content; `false` when the name is taken. */
  const create = (file: string) =>
    withSyncedCopy(fs, file, content, (temporary) =>
      fs.link(temporary, file).pipe(
        Effect.as(true),
        Effect.catchIf(
          (error) => error.reason._tag === "AlreadyExists",
          () => Effect.succeed(false)
        ),
        Effect.mapError(unusable(file, "creating it"))
      )
    )

  const claim = (file: string): Effect.Effect<void, GatewayAlreadyRunning | StateDirUnusable> =>
    Effect.gen(function* () {
      for (let round = 0; round < ROUNDS; round += 1) {
        if (yield* create(file)) return
        const found = yield* read(file)
        if (found === undefined) continue
        if (Option.isSome(found.holder) && (yield* isAlive(found.holder.value))) {
          return yield* new GatewayAlreadyRunning({ pid: found.holder.value.pid, stateDir: options.stateDir })
        }
        if (yield* takeOver(file, found.nonce)) {
          const whose = Option.match(found.holder, { onNone: () => "unreadable", onSome: ({ pid }) => `of pid ${pid}` })
          yield* log(`took over the lock ${whose}: its holder is gone`)
          return
        }
      }
      return yield* new StateDirUnusable({
        path: file,
        message: `${file} keeps changing; remove it when no Gateway runs.`
      })
    })

  /** Replaces a dead lock; `false` when somebody else did. While we hold the second lock, nobody else can. */
  const takeOver = Effect.fnUntraced(function* (file: string, dead: string) {
    const second = `${options.file}.${dead}`
    yield* claim(second)
    return yield* Effect.gen(function* () {
      if ((yield* read(file))?.nonce !== dead) return false
      yield* withSyncedCopy(fs, file, content, (temporary) =>
        Effect.mapError(fs.rename(temporary, file), unusable(file, "taking it over"))
      )
      return true
    }).pipe(Effect.ensuring(release(second)))
  })

  yield* claim(options.file)
  yield* sweep(options)
  /** While we are alive nobody else replaces the file, so it may be replaced whole. */
  const announce = (url: string) =>
    read(options.file).pipe(
      Effect.flatMap((found) =>
        found?.nonce === nonce
          ? replacePrivateFile(fs, options.file, encodeHolder({ pid: Process.pid, started, nonce, url }))
          : Effect.void
      ),
      Effect.catch((error) => Effect.logWarning(`${options.file} does not say where this listens: ${error.message}`))
    )

  return { announce, release: release(options.file) }
})

/** `.<name>.<pid>.<random>.tmp`, as `withSyncedCopy` names its copies. */
const TEMPORARY = /^\..+\.(\d+)\.[0-9a-f]{16}\.tmp$/

/**
 * Removes what killed processes left in the directory: second locks, which mean nothing while the first is alive, and
 * copies whose writer is gone (they may hold secrets).
 */
const sweep = Effect.fnUntraced(function* (options: LockOptions) {
  const { fs, stateDir } = options
  const isLeftover = (name: string) => {
    if (NodePath.join(stateDir, name).startsWith(`${options.file}.`)) return Effect.succeed(true)
    const pid = TEMPORARY.exec(name)?.[1]
    return pid === undefined ? Effect.succeed(false) : Effect.map(options.identify(Number(pid)), Option.isNone)
  }
  const names = yield* Effect.orElseSucceed(fs.readDirectory(stateDir), () => [])
  const leftovers = yield* Effect.filter(names, isLeftover)
  yield* Effect.forEach(leftovers, (name) =>
    Effect.ignore(fs.remove(NodePath.join(stateDir, name), { force: true }), { log: "Warn" })
  )
})
