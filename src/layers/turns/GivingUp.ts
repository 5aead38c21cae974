/**
 * A message that stopped the Gateway each time: set aside with all that is needed to try it again.
 */
import * as Effect from "effect/Effect"
import * as SqlClient from "effect/sql/SqlClient"
import type { TurnRequest } from "../../services/Turns.ts"
import * as DeadLetterStore from "../deadLetters/Store.ts"
import { stored } from "./Patience.ts"

/** The outcome's `error`. */
export const givenUp = "TurnGivenUp"

/** What its sender reads. */
export const textFor = (deaths: number): string =>
  `I gave up on this message: the Gateway stopped ${deaths} times while I worked on it. It is set aside and everything else goes on; the owner can look at it with \`openclaw channels dead-letters list\` and have it tried again.`

export const make = Effect.gen(function* () {
  const sql = yield* SqlClient.SqlClient
  const store = yield* DeadLetterStore.make

  /** The step that was begun last, as far as the engine's rows tell. */
  const lastStep = Effect.fnUntraced(
    function* (workflow: string) {
      const rows = yield* sql<{ readonly message_id: string }>`
        SELECT message_id FROM cluster_messages
        WHERE message_id > ${`${workflow}/activity/`} AND message_id < ${`${workflow}/activity0`}
        ORDER BY id DESC LIMIT 1`
      const path = rows[0]?.message_id.slice(`${workflow}/activity/`.length)
      return path?.replace(/\/\d+$/, "").replace(/^step\//, "")
    },
    // Whoever brings an engine of its own may keep its rows elsewhere.
    Effect.orElseSucceed(() => undefined)
  )

  /** Sets a turn aside, once, however often it is asked. `workflow`: the path under which the engine keeps its steps. */
  const setAside = Effect.fnUntraced(function* (request: TurnRequest, deaths: number, workflow: string) {
    const step = yield* lastStep(workflow)
    const where = step === undefined ? "" : `; the step that it had begun last is "${step}"`
    const error = `the Gateway's process ended ${deaths} times while this message's turn ran${where}`
    yield* stored("setting a turn aside", store.add(request, deaths, error))
    yield* Effect.logError(`turn ${request.runId} in ${request.sessionKey} is set aside: ${error}`)
  })

  return { setAside }
})
