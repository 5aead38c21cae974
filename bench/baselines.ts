/**
 * What the machine itself costs, measured in the same minute by the least code that does something comparable.
 */
import { DatabaseSync } from "node:sqlite"
import { once } from "node:events"
import { spawn } from "node:child_process"
import { createInterface } from "node:readline"
import { fileURLToPath } from "node:url"
import * as Effect from "effect/Effect"
import * as ChildProcess from "effect/process/ChildProcess"
import { WebSocket } from "ws"
import { treeMemory } from "./processes.ts"
import { timed } from "./timing.ts"

/** Milliseconds of a Node that does nothing. */
export const bareStart = timed(
  Effect.scoped(Effect.flatMap(ChildProcess.make(process.execPath, ["-e", "0"]), ({ exitCode }) => exitCode))
)

/** MiB of a Node that waits. */
export const bareMemory = Effect.scoped(
  Effect.gen(function* () {
    const child = yield* ChildProcess.make(process.execPath, ["-e", "setInterval(() => {}, 1e9)"])
    yield* Effect.sleep("1 second")
    return yield* treeMemory(child.pid)
  })
)

/** The parts of a turn that nobody can save: asking the model over HTTP, and one commit that survives a power cut. */
export const bareTurn = Effect.fnUntraced(function* (home: string, baseUrl: string) {
  const db = yield* Effect.acquireRelease(
    Effect.sync(() => new DatabaseSync(`${home}/bare.sqlite`)),
    (db) => Effect.sync(() => db.close())
  )
  db.exec("PRAGMA journal_mode = WAL; PRAGMA synchronous = FULL; CREATE TABLE t (x TEXT)")
  const insert = db.prepare("INSERT INTO t VALUES (?)")
  return {
    run: Effect.promise(async () => {
      const response = await fetch(`${baseUrl}/chat/completions`, { method: "POST", body: "{}" })
      insert.run(await response.text())
    })
  }
})

const open = (port: string) =>
  Effect.acquireRelease(
    Effect.promise(async () => {
      const socket = new WebSocket(`ws://127.0.0.1:${port}`)
      await once(socket, "open")
      return socket
    }),
    (socket) => Effect.sync(() => socket.terminate())
  )

/** A round trip operator → relay → node → relay → operator, by id. */
export const bareInvoke = Effect.gen(function* () {
  const child = yield* Effect.acquireRelease(
    Effect.sync(() =>
      spawn(process.execPath, [fileURLToPath(new URL("relay.ts", import.meta.url))], {
        stdio: ["ignore", "pipe", "inherit"]
      })
    ),
    (child) => Effect.sync(() => child.kill())
  )
  const [port] = yield* Effect.promise(() => once(createInterface(child.stdout), "line"))
  const operator = yield* open(String(port))
  const node = yield* open(String(port))
  node.on("message", (data) => node.send(String(data)))
  const waiting = new Map<unknown, () => void>()
  operator.on("message", (data) => {
    const { id } = JSON.parse(String(data)) as { readonly id: number }
    waiting.get(id)?.()
    waiting.delete(id)
  })
  return (id: number) =>
    Effect.callback<void>((resume) => {
      waiting.set(id, () => resume(Effect.void))
      operator.send(JSON.stringify({ id, command: "system.which", params: { bins: ["sh"] } }))
    })
})
