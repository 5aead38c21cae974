/**
 * What exactly would run, as a digest: an approval given for one command cannot be used for another.
 */
import { createHash } from "node:crypto"
import * as Clock from "effect/Clock"
import * as Effect from "effect/Effect"
import * as FileSystem from "effect/FileSystem"
import * as Option from "effect/Option"
import * as Path from "effect/Path"
import { sortedEntries } from "../domain/sortedEntries.ts"
import { type Executable, identityOf } from "./executable.ts"

/**
 * A command, settled. What is checked is what is started: the real file, compared once more with the one that was checked.
 * Whoever may write to that file, to its folder or to the files that its arguments name can still change them in the
 * moment before the program opens them; a list of programs does not protect from them.
 */
export interface Command {
  readonly argv: ReadonlyArray<string>
  readonly executable: Executable
  /** With every link followed. */
  readonly cwd: string
  /** What the request sets on top of the inherited environment. */
  readonly env: Readonly<Record<string, string>>
  readonly agentId: string | undefined
  readonly sessionKey: string | undefined
}

/** An argument that names a file: a script may change between the approval and the run. */
export interface Operand {
  readonly argvIndex: number
  readonly path: string
  /** Of the content; of device, inode, size and time of change for a file that is large or tells no size. */
  readonly sha256: string
}

export interface Binding {
  readonly digest: string
  readonly operands: ReadonlyArray<Operand>
}

/** Arguments beyond these are bound by their text alone. */
const MOST_OPERANDS = 16
const LARGEST_OPERAND = 16 * 1024 * 1024

const CHUNK = 256 * 1024

const sha256 = (data: string) => createHash("sha256").update(data).digest("hex")

/** The digest of a file's content, or `undefined` when there is more of it than is read, whatever size the file tells. */
const contentOf = Effect.fnUntraced(function* (file: string) {
  const fs = yield* FileSystem.FileSystem
  const handle = yield* fs.open(file, { flag: "r" })
  const hash = createHash("sha256")
  for (let total = 0; total <= LARGEST_OPERAND;) {
    const chunk = yield* handle.readAlloc(CHUNK)
    if (Option.isNone(chunk)) return hash.digest("hex")
    total += chunk.value.length
    hash.update(chunk.value)
  }
  return undefined
}, Effect.scoped)

const operandsOf = Effect.fnUntraced(function* (command: Command) {
  const fs = yield* FileSystem.FileSystem
  const path = yield* Path.Path
  const operands: Array<Operand> = []
  for (const [index, argument] of command.argv.entries()) {
    if (index === 0 || operands.length === MOST_OPERANDS) continue
    const file = path.resolve(command.cwd, argument)
    const digest = yield* fs.stat(file).pipe(
      Effect.filterOrFail((info) => info.type === "File"),
      Effect.flatMap((info) => {
        // A size of zero is what files of the kernel tell, some of which wait or never end.
        const isReadable = Number(info.size) > 0 && Number(info.size) <= LARGEST_OPERAND
        return Effect.map(
          isReadable ? contentOf(file) : Effect.undefined,
          (content) => content ?? sha256(JSON.stringify(identityOf(info)))
        )
      }),
      Effect.orElseSucceed(() => undefined)
    )
    if (digest !== undefined) operands.push({ argvIndex: index, path: file, sha256: digest })
  }
  return operands
})

export const bind = Effect.fnUntraced(function* (command: Command) {
  const operands = yield* operandsOf(command)
  const { agentId, argv, cwd, env, sessionKey } = command
  const bound = [
    command.executable.path,
    command.executable.realPath,
    command.executable.identity,
    argv.slice(1),
    cwd,
    sortedEntries(env),
    agentId ?? null,
    sessionKey ?? null,
    operands.map((operand) => [operand.argvIndex, operand.sha256])
  ]
  return { digest: sha256(JSON.stringify(bound)), operands } satisfies Binding as Binding
})

const MOST_PREPARED = 256
const LIFETIME_MS = 30 * 60_000

export interface Prepared {
  readonly remember: (digest: string) => Effect.Effect<void>
  /** `true` once for each time it was remembered, within half an hour. */
  readonly consume: (digest: string) => Effect.Effect<boolean>
}

/** Commands that were prepared on this node and may be approved, each once. */
export const makePrepared = (): Prepared => {
  /** Digest to the end of its life, oldest first. */
  const alive = new Map<string, number>()
  const prune = (now: number) => {
    for (const [digest, end] of alive) {
      if (end > now && alive.size <= MOST_PREPARED) return
      alive.delete(digest)
    }
  }
  return {
    remember: (digest) =>
      Effect.map(Clock.currentTimeMillis, (now) => {
        alive.delete(digest)
        alive.set(digest, now + LIFETIME_MS)
        prune(now)
      }),
    consume: (digest) =>
      Effect.map(Clock.currentTimeMillis, (now) => {
        prune(now)
        return alive.delete(digest)
      })
  }
}
