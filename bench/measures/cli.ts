/**
 * Commands of the command line, each a process from its spawn to its exit, against a Gateway that runs.
 */
import * as Effect from "effect/Effect"
import * as ChildProcess from "effect/process/ChildProcess"
import * as Schema from "effect/Schema"
import * as Stream from "effect/Stream"
import { alternate, type Ground } from "../alternate.ts"
import { bareTurn, since } from "../baselines.ts"
import { measures } from "../budgets.ts"
import { endedChildrenCpu } from "../processes.ts"
import { environment } from "../subject.ts"
import { timed } from "../timing.ts"
import type { Side } from "../world.ts"

const COMMANDS = ["--version", "--help", "health", "status", "nodes list"]

class CommandFailed extends Schema.TaggedError<CommandFailed>()("CommandFailed", { message: Schema.String }) {}

const command = Effect.fnUntraced(function* ({ home, subject }: Side, words: string) {
  const [executable, ...rest] = subject.cli
  const child = yield* ChildProcess.make(executable, [...rest, ...words.split(" ")], {
    env: yield* environment(subject, home),
    extendEnv: false,
    cwd: home,
    stdin: "ignore"
  })
  const output = yield* Stream.mkString(Stream.decodeText(child.all))
  const code = yield* child.exitCode
  if (code !== 0) {
    return yield* new CommandFailed({ message: `ended with ${code}: ${output.slice(-300)}` })
  }
}, Effect.scoped)

const turn = (side: Side, measure: string, words: string) => {
  const run = command(side, words)
  return {
    who: { name: side.name, pid: side.pid },
    warmUp: run,
    run: Effect.gen(function* () {
      const before = endedChildrenCpu()
      const ms = yield* timed(run)
      return { operations: 1, cpuMs: since(before), readings: [{ measure, unit: "ms" as const, samples: [ms] }] }
    })
  }
}

export const cli = Effect.fnUntraced(function* (ground: Ground, sides: ReadonlyArray<Side>, rounds: number) {
  for (const words of COMMANDS) {
    const measure = measures.command(words)
    yield* alternate(ground, measure, rounds, [bareTurn(measure), ...sides.map((side) => turn(side, measure, words))])
  }
})
