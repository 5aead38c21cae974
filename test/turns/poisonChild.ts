/**
 * A process that runs turns of many sessions at once, one of which ends the process. What was done is kept in a file, which a
 * dead process cannot take back. It ends by itself once no turn is left.
 */
import * as Fs from "node:fs"
import * as Path from "node:path"
import * as Effect from "effect/Effect"
import * as Schema from "effect/Schema"
import { SessionKey } from "../../src/domain/SessionKey.ts"
import { Turns } from "../../src/services/Turns.ts"
import { ok, peer, request, start, type World } from "./kit.ts"

const [dir, innocents, how, life] = process.argv.slice(2) as [string, string, "abort" | "memory" | "delivery", string]
const done = (line: string) => Fs.appendFileSync(Path.join(dir, "done.log"), `${life} ${line}\n`)

/** As what a model or a tool said would do it. */
const die = Effect.sync(() => {
  done("dies")
  if (how !== "memory") process.abort()
  const hoard: Array<unknown> = []
  for (;;) hoard.push(Array.from({ length: 100_000 }, (_, index) => ({ index })))
})

/** In the first two lives all turns are at work when it happens. */
const together = Number(life) <= 2
let isPoisonAtWork = false
const others = new Set<string>()
const everybody = Effect.gen(function* () {
  if (!together) return
  while (others.size < Number(innocents)) yield* Effect.sleep("1 millis")
})

const world: World = {
  dir,
  sent: [],
  log: [],
  agent: (asked, steps) =>
    Effect.gen(function* () {
      done(`begins ${asked.text}`)
      const isPoison = asked.text === "poison"
      if (isPoison) isPoisonAtWork = true
      if (isPoison) yield* everybody
      else others.add(asked.text)
      if (isPoison && !together) yield* Effect.sleep("200 millis")
      if (isPoison && how !== "delivery") {
        yield* steps.step({ name: "deadly", success: Schema.Void, execute: die })
      }
      if (!isPoison && together) return yield* Effect.never
      // Whoever runs beside the poison is still at it when it kills.
      if (!isPoison && isPoisonAtWork) return yield* Effect.never
      return ok(asked, `answer to ${asked.text}`)
    }),
  partial: undefined,
  deliver: (message) =>
    message.text === "answer to poison"
      ? Effect.andThen(everybody, die)
      : Effect.sync(() => done(`sent ${message.text.slice(0, 30)}`))
}

const program = Effect.gen(function* () {
  const turns = yield* Turns
  const submit = (name: string, session: string) =>
    turns.submit(request(name, name, { sessionKey: SessionKey.make(`agent:main:${session}`), replyTo: { peer } }))
  for (let index = 0; index < Number(innocents); index++) {
    if (index === Number(innocents) / 2) yield* submit("poison", "poisoned")
    yield* submit(`innocent${index}`, `innocent${index}`)
  }
  if (!together) yield* submit("behind", "poisoned")
  while ((yield* turns.active) > 0) yield* Effect.sleep("5 millis")
})

Effect.runFork(Effect.provide(program, start(world)))
