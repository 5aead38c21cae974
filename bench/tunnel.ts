/**
 * A client that calls once a second through a tunnel whose path is cut every 20 seconds: `tunnel.ts [minutes]`, ten when left
 * out. Needs root, `sshd` and `ip`. A whole run is written to `test/tunnel/RESULTS.md`.
 */
import * as Fs from "node:fs"
import * as path from "node:path"
import * as NodeRuntime from "@effect/platform-node/NodeRuntime"
import * as NodeServices from "@effect/platform-node/NodeServices"
import * as Clock from "effect/Clock"
import * as Console from "effect/Console"
import * as Effect from "effect/Effect"
import * as Logger from "effect/Logger"
import * as Stream from "effect/Stream"
import * as SubscriptionRef from "effect/SubscriptionRef"
import * as Namespace from "../test/tunnel/faults/namespace.ts"
import * as World from "../test/tunnel/faults/world.ts"

const FILE = path.join(import.meta.dirname, "..", "test", "tunnel", "RESULTS.md")
const BEGIN = "<!-- cuts: begin -->"
const END = "<!-- cuts: end -->"
const WHOLE_RUN = 10
const CUT_EVERY_MS = 20_000
const CUT_FOR_MS = 2000

const main = Effect.gen(function* () {
  if (Namespace.missing !== undefined) return yield* Console.error(Namespace.missing)
  const minutes = Number(process.argv[2] ?? WHOLE_RUN)
  const world = yield* World.make({ network: true, hurried: false })
  yield* world.sshd.start
  const tunnel = yield* world.up
  const client = yield* world.clientThrough(tunnel)
  yield* client.ready

  const start = yield* Clock.currentTimeMillis
  const end = start + minutes * 60_000
  const answered: Array<number> = [start]
  const delays: Array<number> = []
  const failures = new Map<string, number>()
  let calls = 0
  let connections = 0
  let cuts = 0
  const backs: Array<number> = []

  yield* SubscriptionRef.changes(client.state).pipe(
    Stream.filter((state) => state._tag === "Connected"),
    Stream.runForEach(() => Effect.sync(() => connections++)),
    Effect.forkScoped
  )
  const call = Effect.gen(function* () {
    const begun = yield* Clock.currentTimeMillis
    calls += 1
    yield* client.call.health({}).pipe(
      Effect.matchEffect({
        onFailure: (error) => Effect.sync(() => failures.set(error._tag, (failures.get(error._tag) ?? 0) + 1)),
        onSuccess: () =>
          Effect.map(Clock.currentTimeMillis, (now) => {
            answered.push(now)
            delays.push(now - begun)
          })
      })
    )
  })
  const cutting = Effect.gen(function* () {
    for (;;) {
      yield* Effect.sleep(CUT_EVERY_MS - CUT_FOR_MS)
      if ((yield* Clock.currentTimeMillis) + CUT_FOR_MS + CUT_EVERY_MS / 2 > end) return
      cuts += 1
      yield* world.sshd.endSessions
      yield* world.link?.blackHole ?? Effect.void
      yield* Effect.sleep(CUT_FOR_MS)
      yield* world.link?.heal ?? Effect.void
      const back = yield* World.timed(World.when(tunnel, World.isUp))
      backs.push(back.ms)
      yield* Console.log(`cut ${cuts}: the tunnel was back ${back.ms} ms after the path; ${calls} calls so far`)
    }
  })
  yield* Effect.forkScoped(cutting)
  while ((yield* Clock.currentTimeMillis) < end) {
    yield* Effect.forkScoped(call)
    yield* Effect.sleep(1000)
  }
  // A call has 30 seconds.
  while (delays.length + Array.from(failures.values()).reduce((sum, count) => sum + count, 0) < calls) {
    yield* Effect.sleep(100)
  }
  const gap = Math.max(...answered.slice(1).map((at, index) => at - (answered[index] ?? at)))
  const sorted = delays.toSorted((one, two) => one - two)
  const at = (share: number) => sorted[Math.min(sorted.length - 1, Math.floor(sorted.length * share))] ?? 0
  const failed = Array.from(failures, ([name, count]) => `${count} ${name}`).join(", ")
  const rows = [
    ["minutes", String(minutes)],
    ["cuts", String(cuts)],
    ["calls", String(calls)],
    ["calls that failed", failed === "" ? "0" : failed],
    ["answered after, median, 95 %, longest", `${at(0.5)} ms, ${at(0.95)} ms, ${at(1)} ms`],
    ["longest time without an answer", `${gap} ms`],
    [
      "tunnel back after the path was, median, longest",
      `${backs.toSorted((one, two) => one - two)[backs.length >> 1] ?? 0} ms, ${Math.max(...backs)} ms`
    ],
    ["times that the client connected again", String(connections - 1)],
    ["ssh processes", String((yield* SubscriptionRef.get(tunnel.state)).generation)]
  ]
  const table = ["| | |", "| --- | --- |", ...rows.map((row) => `| ${row.join(" | ")} |`)].join("\n")
  yield* Console.log(table)
  if (minutes !== WHOLE_RUN) return
  const text = Fs.readFileSync(FILE, "utf8")
  const [before, after] = [text.indexOf(BEGIN) + BEGIN.length, text.indexOf(END)]
  Fs.writeFileSync(FILE, `${text.slice(0, before)}\n\n${table}\n\n${text.slice(after)}`)
}).pipe(Effect.scoped, Effect.provide([NodeServices.layer, Logger.layer([])]))

NodeRuntime.runMain(main)
