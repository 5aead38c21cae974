/**
 * What the machine itself costs, measured in the same minute by the least code that does something comparable.
 */
import { DatabaseSync } from "node:sqlite"
import { fileURLToPath } from "node:url"
import * as Effect from "effect/Effect"
import * as ChildProcess from "effect/process/ChildProcess"
import * as Stream from "effect/Stream"
import { type Endpoint, loopback } from "../src/domain/Endpoint.ts"
import type { Contender } from "./alternate.ts"
import { BARE } from "./budgets.ts"
import { endedChildrenCpu, treeMemory } from "./processes.ts"
import { open } from "./rawClient.ts"
import { timed } from "./timing.ts"

/** Milliseconds of a Node that does nothing. */
export const bareStart = timed(
  Effect.scoped(Effect.flatMap(ChildProcess.make(process.execPath, ["-e", "0"]), ({ exitCode }) => exitCode))
)

/** The same as something to be measured beside others; `measure` says with whom. */
export const bareTurn = (measure: string) => {
  const run = Effect.gen(function* () {
    const before = endedChildrenCpu()
    const ms = yield* bareStart
    return { operations: 1, cpuMs: since(before), readings: [{ measure, unit: "ms" as const, samples: [ms] }] }
  })
  return { who: { name: BARE, pid: process.pid }, warmUp: bareStart, run }
}

/** MB of a Node that waits. */
export const bareMemory = Effect.scoped(
  Effect.gen(function* () {
    const child = yield* ChildProcess.make(process.execPath, ["-e", "setInterval(() => {}, 1e9)"])
    yield* Effect.sleep("1 second")
    return treeMemory(child.pid)
  })
)

/** Milliseconds of processor time of the children that ended since. */
export const since = (before: number | undefined): number | undefined => {
  const now = endedChildrenCpu()
  return before === undefined || now === undefined ? undefined : now - before
}

/** The parts of a turn that nobody can save: asking the model over HTTP, and one commit that survives a power cut. */
export const httpAndCommit = Effect.fnUntraced(function* (home: string, baseUrl: string) {
  const db = yield* Effect.acquireRelease(
    Effect.sync(() => new DatabaseSync(`${home}/bare.sqlite`)),
    (db) => Effect.sync(() => db.close())
  )
  db.exec("PRAGMA journal_mode = WAL; PRAGMA synchronous = FULL; CREATE TABLE t (x TEXT)")
  const insert = db.prepare("INSERT INTO t VALUES (?)")
  const once = Effect.promise(async () => {
    const response = await fetch(`${baseUrl}/chat/completions`, { method: "POST", body: "{}" })
    insert.run(await response.text())
  })
  return { once }
})

/** A process of one file that prints its port. */
const serving = Effect.fnUntraced(function* (file: string, name: string) {
  const child = yield* ChildProcess.make(process.execPath, [fileURLToPath(new URL(file, import.meta.url))], {
    stdin: "ignore"
  })
  const port = yield* child.stdout.pipe(Stream.decodeText(), Stream.splitLines, Stream.take(1), Stream.mkString)
  const who: Contender = { name, pid: child.pid }
  const endpoint: Endpoint = loopback(Number(port))
  return { who, endpoint }
})

/** Answers every request at once. */
export const echo = serving("echo.ts", "an echo of 10 lines")

/** An operator's connection to a relay that has a node at its other side, which answers at once. */
export const relay = Effect.gen(function* () {
  const { endpoint, who } = yield* serving("relay.ts", "a relay of 10 lines")
  const operator = yield* open(endpoint)
  const node = yield* open(endpoint)
  node.onFrame = (text) => {
    const { id } = JSON.parse(text)
    node.send(JSON.stringify({ type: "res", id, ok: true, payload: { bins: {} } }))
  }
  return { who, operator }
})
