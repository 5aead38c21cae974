/**
 * A process that runs turns and is killed by its parent. Its agent takes two steps; with "hang" the second never ends.
 *
 * It prints a line for each thing that happens; what it did is counted in a file, which a killed process cannot take back.
 */
import * as Fs from "node:fs"
import * as Path from "node:path"
import * as Effect from "effect/Effect"
import { RunId } from "../../src/domain/Ids.ts"
import { Turns } from "../../src/services/Turns.ts"
import { logged, main, ok, peer, request, start, type World } from "./kit.ts"

const [dir, mode] = process.argv.slice(2) as [string, "hang" | "finish"]
const print = (line: string) => Fs.writeSync(1, `${line}\n`)
const done = Path.join(dir, "done.log")

const world: World = {
  dir,
  sent: [],
  log: Object.assign([], {
    push: (line: string) => {
      Fs.appendFileSync(done, `${line}\n`)
      print(line)
      return 0
    }
  }),
  agent: (asked, steps) =>
    logged(world, steps, "one").pipe(
      Effect.andThen(logged(world, steps, "two", mode === "hang" ? Effect.never : Effect.void)),
      Effect.as(ok(asked, `answer to ${asked.text}`))
    ),
  partial: undefined,
  deliver: (message) => Effect.sync(() => world.log.push(`sent ${message.text}`))
}

const program = Effect.gen(function* () {
  const turns = yield* Turns
  const isNew = yield* turns.submit(request("r1", "hello", { replyTo: { peer } }))
  print(`submitted ${isNew}`)
  if (mode === "hang") return yield* Effect.never
  const outcome = yield* turns.await(RunId.make("r1"), main)
  print(`outcome ${outcome.status} ${outcome.text}`)
})

Effect.runFork(Effect.provide(program, start(world)))
