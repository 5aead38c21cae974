/**
 * Every Gateway under measurement, each with a HOME, a model, a bot, a person, an operator and a node of its own, all served by
 * this process.
 */
import { randomUUID } from "node:crypto"
import * as Effect from "effect/Effect"
import * as BotApi from "../src/testing/BotApi.ts"
import type { Endpoint } from "../src/domain/Endpoint.ts"
import { attempt, type Contender, type Ground } from "./alternate.ts"
import { modelConfig, telegramConfig } from "./config.ts"
import * as Model from "./model.ts"
import * as Node from "./node.ts"
import { type Ask, asking, open } from "./rawClient.ts"
import { freshHome, start, type Subject } from "./subject.ts"

export const ADA = { id: 4711, firstName: "Ada" }
/** The same on every Gateway before anything is counted; turns go round among them. */
export const SESSIONS = 20

/** What a subject needs before it starts. */
export interface Prepared {
  readonly subject: Subject
  readonly home: string
  readonly model: Model.InstantModel
  readonly bot: BotApi.BotApiServer
  readonly config: object
}

/** A Gateway that runs. */
export interface Side extends Prepared, Contender {
  readonly endpoint: Endpoint
  /** When it said hello, of `performance.now`. */
  readonly upMs: number
}

/** One that has work to do. */
export interface Working extends Side {
  readonly ask: Ask
  readonly nodeId: string
}

export const prepare = Effect.fnUntraced(function* (subject: Subject) {
  const model = yield* Model.serve
  const bot = yield* BotApi.serve()
  const config = { ...modelConfig(model.baseUrl), ...telegramConfig(bot, [ADA]) }
  return { subject, home: yield* freshHome, model, bot, config } satisfies Prepared
})

/** Started and served by its channel, or in the record. */
export const run = Effect.fnUntraced(function* (prepared: Prepared) {
  const { endpoint, pid } = yield* start(prepared.subject, prepared.home, prepared.config)
  const upMs = performance.now()
  yield* Effect.timeout(prepared.bot.awaitPolling, "30 seconds")
  return { ...prepared, name: prepared.subject.name, pid, endpoint, upMs } satisfies Side
})

/** One turn, from the request to its final answer. */
export const turn = (ask: Ask, session: string): ReturnType<Ask> =>
  ask("agent", { message: "How is everything?", sessionKey: `agent:main:${session}`, idempotencyKey: randomUUID() })

/** An operator, a node, and some sessions that everybody has. */
export const furnish = Effect.fnUntraced(function* (side: Side) {
  const ask = asking(yield* open(side.endpoint))
  const nodeId = yield* Node.attach(side.endpoint)
  for (let index = 0; index < SESSIONS; index++) yield* turn(ask, `bench-${index}`)
  const loopMs = Effect.map(ask("health", { probe: true }), ({ eventLoop }) => {
    const { delayP99Ms } = (eventLoop ?? {}) as { readonly delayP99Ms?: unknown }
    return typeof delayP99Ms === "number" ? delayP99Ms : undefined
  })
  return { ...side, ask, nodeId, loopMs } satisfies Working
})

/** Those of whom it came to something; the record has the others. */
export const each = Effect.fnUntraced(function* <A extends { readonly subject: Subject }, B, E, R>(
  ground: Ground,
  measure: string,
  all: ReadonlyArray<A>,
  effect: (one: A) => Effect.Effect<B, E, R>
) {
  const done: Array<B> = []
  for (const one of all) {
    const made = yield* attempt(ground, measure, one.subject.name, effect(one))
    if (made !== undefined) done.push(made)
  }
  return done
})
