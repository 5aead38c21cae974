/**
 * How the holder of a tunnel tells other processes of the same user where it stands: a Unix socket in the state directory.
 *
 * A socket rather than the record: it ends with the process that holds it, however that ends, and what comes through it is
 * said now. The holder writes its status (`TunnelStatus` as JSON) as a line when somebody comes, whenever it changes, and for
 * each line that it gets; such a line is a number, which the answer repeats before the status. Nothing else can be asked.
 */
import * as Net from "node:net"
import * as Cause from "effect/Cause"
import * as Effect from "effect/Effect"
import type * as FileSystem from "effect/FileSystem"
import * as Queue from "effect/Queue"
import * as Schema from "effect/Schema"
import type * as Scope from "effect/Scope"

/** The socket could not be made, reached or read, or its other end is gone. */
export class SharedSocketClosed extends Schema.TaggedError<SharedSocketClosed>()("SharedSocketClosed", {
  message: Schema.String
}) {}

const closed = (message: string) => new SharedSocketClosed({ message })

/** The systems' limits are 104 and 108, the end of the text included. */
const LONGEST_PATH = 100
const LONGEST_LINE = 65_536
const LONGEST_QUESTION = 16
/** A reader that does not read is dropped. */
const LONGEST_BACKLOG = 1_048_576

/** A name by which the system can reach `folder/name`: a link in a private folder where the path itself is too long. */
const reachable = Effect.fnUntraced(
  function* (fs: FileSystem.FileSystem, folder: string, name: string) {
    const path = `${folder}/${name}`
    if (Buffer.byteLength(path) <= LONGEST_PATH) return path
    const link = `${yield* fs.makeTempDirectoryScoped({ prefix: "oc-" })}/t`
    yield* fs.symlink(folder, link)
    return `${link}/${name}`
  },
  Effect.mapError((error) => closed(error.message))
)

/** Splits what comes into lines; a line without an end in sight ends the connection. */
const onLines = (socket: Net.Socket, longest: number, line: (text: string) => void) => {
  let rest = ""
  socket.setEncoding("utf8")
  socket.on("data", (chunk: string) => {
    const parts = (rest + chunk).split("\n")
    rest = parts.pop() ?? ""
    if (rest.length > longest || parts.some((part) => part.length > longest)) return void socket.destroy()
    for (const part of parts) line(part)
  })
}

export interface Place {
  readonly fs: FileSystem.FileSystem
  /** Absolute path of a private folder. */
  readonly folder: string
  readonly name: string
}

/** Serves until the scope closes. The caller alone may serve at this name; what a dead process left there is removed. */
export const serve = Effect.fnUntraced(function* (
  { folder, fs, name }: Place,
  status: () => string
): Effect.fn.Return<{ readonly publish: Effect.Effect<void> }, SharedSocketClosed, Scope.Scope> {
  const path = `${folder}/${name}`
  const readers = new Set<Net.Socket>()
  const tell = (socket: Net.Socket, asked = "") => {
    if (socket.writableLength > LONGEST_BACKLOG) return void socket.destroy()
    socket.write(`${asked}${status()}\n`)
  }
  const remove = Effect.ignore(fs.remove(path, { force: true }))
  yield* remove
  const listen = Effect.scoped(
    Effect.flatMap(reachable(fs, folder, name), (near) =>
      Effect.callback<Net.Server, SharedSocketClosed>((resume) => {
        const server = Net.createServer((socket) => {
          readers.add(socket)
          socket.on("close", () => readers.delete(socket))
          socket.on("error", () => {})
          onLines(socket, LONGEST_QUESTION, (question) => {
            if (/^\d+$/.test(question)) tell(socket, question)
          })
          tell(socket)
        })
        server.once("error", (error) => resume(Effect.fail(closed(error.message))))
        server.listen(near, () => resume(Effect.succeed(server)))
      })
    )
  )
  yield* Effect.acquireRelease(listen, (server) =>
    Effect.andThen(
      Effect.sync(() => {
        server.close()
        for (const socket of readers) socket.end(() => socket.destroy())
      }),
      remove
    )
  )
  yield* Effect.ignore(fs.chmod(path, 0o600))
  return {
    publish: Effect.sync(() => {
      for (const socket of readers) tell(socket)
    })
  }
})

/** What the holder said: its status, as it stands in the line, and the question that this answers. */
export interface Heard {
  readonly asked: number | undefined
  readonly status: string
}

export interface Link {
  readonly heard: Effect.Effect<Heard, SharedSocketClosed>
  /** Asks for an answer with this number. */
  readonly ask: (question: number) => Effect.Effect<void>
}

/** Connects until the scope closes. */
export const connect = Effect.fnUntraced(function* ({
  folder,
  fs,
  name
}: Place): Effect.fn.Return<Link, SharedSocketClosed, Scope.Scope> {
  const lines = yield* Queue.unbounded<Heard, SharedSocketClosed>()
  const end = (message: string) => Queue.failCauseUnsafe(lines, Cause.fail(closed(message)))
  const dial = Effect.scoped(
    Effect.flatMap(reachable(fs, folder, name), (near) =>
      Effect.callback<Net.Socket, SharedSocketClosed>((resume) => {
        const socket = Net.connect(near, () => resume(Effect.succeed(socket)))
        onLines(socket, LONGEST_LINE, (line) => {
          const at = Math.max(0, line.indexOf("{"))
          Queue.offerUnsafe(lines, { asked: at > 0 ? Number(line.slice(0, at)) : undefined, status: line.slice(at) })
        })
        socket.on("error", (error) => {
          end(error.message)
          resume(Effect.fail(closed(error.message)))
        })
        socket.on("close", () => end("the other end is gone"))
        return Effect.sync(() => socket.destroy())
      })
    )
  )
  const socket = yield* Effect.acquireRelease(dial, (socket) => Effect.sync(() => socket.destroy()), {
    interruptible: true
  })
  return {
    heard: Queue.take(lines),
    ask: (question) => Effect.sync(() => void socket.write(`${question}\n`))
  }
})
