/**
 * A Gateway that starts and then has nothing to do: how soon it greets, and how much memory it holds.
 */
import * as Effect from "effect/Effect"
import { bareMemory, bareStart } from "./baselines.ts"
import { modelConfig } from "./load.ts"
import { treeMemory } from "./processes.ts"
import type { Row } from "./report.ts"
import { freshHome, start, type Subject } from "./subject.ts"

const FRESH = "spawn to hello-ok, fresh HOME"
const WARM = "spawn to hello-ok, warm"
const IDLE = "idle RSS of the process tree, 5 s after hello-ok"

// Nobody listens there: an idle Gateway asks no model.
const config = modelConfig("http://127.0.0.1:9/v1")

const startOnce = (subject: Subject, home: string) =>
  Effect.scoped(Effect.map(start(subject, home, config), ({ startMs }) => startMs))

/** Subjects take turns, so that a busy minute of the machine hits all of them. */
export const startup = Effect.fnUntraced(function* (subjects: ReadonlyArray<Subject>, runs: number) {
  const homes = yield* Effect.forEach(subjects, () => freshHome)
  yield* Effect.forEach(subjects, (subject, index) => startOnce(subject, homes[index]!))
  const rounds = yield* Effect.forEach(Array.from({ length: runs }), () =>
    Effect.all({
      bare: bareStart,
      subjects: Effect.forEach(subjects, (subject, index) =>
        Effect.all({
          fresh: Effect.scoped(Effect.flatMap(freshHome, (home) => startOnce(subject, home))),
          warm: startOnce(subject, homes[index]!)
        })
      )
    })
  )
  return [
    { measure: FRESH, subject: "node -e 0", unit: "ms", samples: rounds.map(({ bare }) => bare) },
    ...(["fresh", "warm"] as const).flatMap((kind) =>
      subjects.map(({ name }, index) => ({
        measure: kind === "fresh" ? FRESH : WARM,
        subject: name,
        unit: "ms" as const,
        samples: rounds.map((round) => round.subjects[index]![kind])
      }))
    )
  ] satisfies ReadonlyArray<Row>
}, Effect.scoped)

const idleOnce = (subject: Subject) =>
  Effect.scoped(
    Effect.gen(function* () {
      const home = yield* freshHome
      yield* startOnce(subject, home)
      const { pid } = yield* start(subject, home, config)
      yield* Effect.sleep("5 seconds")
      return yield* treeMemory(pid)
    })
  )

const present = (samples: ReadonlyArray<number | undefined>) => samples.filter((sample) => sample !== undefined)

export const memory = Effect.fnUntraced(function* (subjects: ReadonlyArray<Subject>, runs: number) {
  const rounds = yield* Effect.forEach(Array.from({ length: runs }), () =>
    Effect.all({ bare: bareMemory, subjects: Effect.forEach(subjects, idleOnce) })
  )
  return [
    { measure: IDLE, subject: "a Node that waits", unit: "MiB", samples: present(rounds.map(({ bare }) => bare)) },
    ...subjects.map(({ name }, index) => ({
      measure: IDLE,
      subject: name,
      unit: "MiB" as const,
      samples: present(rounds.map((round) => round.subjects[index]))
    }))
  ] satisfies ReadonlyArray<Row>
})
