/**
 * A message that stopped the Gateway each time: set aside with all that is needed to try it again.
 */
import * as Effect from "effect/Effect"
import * as SqlClient from "effect/sql/SqlClient"
import { Channels } from "../../services/ChannelRouter.ts"
import type { TurnRequest } from "../../services/Turns.ts"
import * as DeadLetterStore from "../deadLetters/Store.ts"
import { stored } from "./Patience.ts"

/** The outcome's `error`. */
export const givenUp = "TurnGivenUp"

/** What the sender reads of a message whose turn could not be run. */
const brokenText =
  "I could not work on this message: something went wrong inside the Gateway. It is set aside; the owner can look at it with `openclaw channels dead-letters list` and have it tried again."

/** How the names of steps begin that may have had effects outside. */
const toolStep = "tool-"

/** What its sender reads. */
export const textFor = (deaths: number, others: number): string =>
  `I gave up on this message${others === 0 ? "" : ` and ${others} more that I worked on with it`}: the Gateway stopped ${deaths} times while I worked on it. It is set aside and everything else goes on; the owner can look at it with \`openclaw channels dead-letters list\` and have it tried again.`

export const make = Effect.gen(function* () {
  const sql = yield* SqlClient.SqlClient
  const store = yield* DeadLetterStore.make

  /**
   * The steps that were begun, and those of them that came to no end, as far as the engine's rows tell. A step that a dead
   * process had begun is answered with `Suspended` when the engine comes to it before its turn does.
   */
  const steps = Effect.fnUntraced(
    function* (workflow: string) {
      const rows = yield* sql<{ readonly message_id: string; readonly is_open: number }>`
        SELECT message_id, NOT EXISTS (
          SELECT 1 FROM cluster_replies WHERE cluster_replies.request_id = cluster_messages.request_id
            AND json_extract(cluster_replies.payload, '$.value._tag') IS NOT 'Suspended'
        ) AS is_open
        FROM cluster_messages
        WHERE message_id > ${`${workflow}/activity/`} AND message_id < ${`${workflow}/activity0`}`
      return rows.map(({ is_open, message_id }) => ({
        name: message_id
          .slice(`${workflow}/activity/`.length)
          .replace(/\/\d+$/, "")
          .replace(/^step\//, ""),
        isOpen: is_open === 1
      }))
    },
    // Whoever brings an engine of its own may keep its rows elsewhere.
    Effect.orElseSucceed(() => [])
  )

  /**
   * Sets a turn aside with each message that it took in, once, however often it is asked. `workflow`: the path under which the
   * engine keeps its steps.
   */
  const setAside = Effect.fnUntraced(function* (
    request: TurnRequest,
    others: ReadonlyArray<TurnRequest>,
    deaths: number,
    workflow: string
  ) {
    const begun = yield* steps(workflow)
    const open = begun.filter((step) => step.isOpen).map((step) => `"${step.name}"`)
    const where = open.length === 0 ? "" : `; begun and not finished: ${open.join(", ")}`
    const error = `the Gateway's process ended ${deaths} times while this message's turn ran${where}`
    const mayDouble = begun.some((step) => step.name.startsWith(toolStep))
    const itsOwn = store.add(request, deaths, error, mayDouble)
    const why = `it was to be answered together with message ${request.runId}, and ${error}`
    const all = Effect.forEach(others, (other) => store.add(other, deaths, why, mayDouble), { discard: true })
    yield* stored("setting a turn aside", sql.withTransaction(Effect.andThen(itsOwn, all)))
    yield* Effect.logError(`turn ${request.runId} in ${request.sessionKey} is set aside: ${error}`)
  })

  return { setAside }
})

/** For a turn of which not even the end could be run: a dead letter, and a word to its sender that the outbox carries alone. */
export const makeTell = Effect.gen(function* () {
  const store = yield* DeadLetterStore.make
  const channels = yield* Channels
  const scope = yield* Effect.scope
  return Effect.fnUntraced(function* (request: TurnRequest, error: string) {
    yield* stored("setting a broken turn aside", store.add(request, 1, error))
    if (request.replyTo === undefined) return
    const { messageId, peer } = request.replyTo
    const word = channels.send({
      channel: peer.channel,
      accountId: peer.accountId,
      to: peer.chatId,
      ...(peer.threadId === undefined ? undefined : { threadId: peer.threadId }),
      text: brokenText,
      ...(messageId === undefined ? undefined : { replyToMessageId: messageId }),
      idempotencyKey: `${request.runId}:broken`
    })
    // The session goes on; what is sent is in the outbox.
    yield* Effect.forkIn(
      Effect.catchCause(word, (cause) =>
        Effect.logWarning(`the sender of turn ${request.runId} was not told that it broke`, cause)
      ),
      scope
    )
  })
})
