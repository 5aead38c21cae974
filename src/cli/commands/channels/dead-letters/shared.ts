/**
 * How dead letters are named on the command line and shown.
 */
import * as Effect from "effect/Effect"
import type { BriefClient } from "../../../../client/BriefClient.ts"
import { GatewayError } from "../../../../protocol/GatewayError.ts"
import type { DeadLetter } from "../../../../protocol/methods/deadLetters.ts"
import { CommandFailed } from "../../../errors.ts"
import { ago, table } from "../../../output.ts"

/** As many as the Gateway gives at once. */
const most = 1000

const kinds = { turn: "message (turn)", delivery: "delivery", message: "message" } as const

/** `telegram 123`, or the session of one that no channel brought. */
const whereOf = ({ channel, chatId, sessionKey }: DeadLetter): string =>
  channel === undefined ? (sessionKey ?? "") : [channel, chatId].filter((part) => part !== undefined).join(" ")

/** One a line; the id whole, because it is what is typed. */
export const tableOf = (letters: ReadonlyArray<DeadLetter>, now: number): string =>
  table(
    ["Id", "Kind", "From or to", "Tries", "Given up", "Why"],
    letters.map((letter) => [
      letter.id,
      kinds[letter.kind],
      whereOf(letter),
      letter.attempts === undefined ? "" : String(letter.attempts),
      ago(now, letter.failedAt),
      letter.error.length > 100 ? `${letter.error.slice(0, 99)}…` : letter.error
    ])
  )

/** The ids that a command is about: the one that is named, or as many of all as the Gateway gives at once. */
export const chosen = Effect.fnUntraced(function* (
  client: BriefClient,
  { all, id }: { readonly all: boolean; readonly id: string | undefined },
  command: string
) {
  if ((id === undefined) === !all) {
    return yield* new CommandFailed({
      message: `name one dead letter, or all of them.\nFix: \`openclaw channels dead-letters ${command} <id>\` with an id that \`openclaw channels dead-letters list\` shows, or --all.`
    })
  }
  if (id !== undefined) return [id]
  const { deadLetters } = yield* client.call["channels.deadLetters.list"]({ limit: most })
  return deadLetters.map((letter) => letter.id)
})

/** A deed that one of several failed at: the others are done nevertheless. */
export interface Failure {
  readonly id: string
  readonly error: { readonly code: string; readonly message: string }
}

/** The number of those that a command is about. */
export const number = (client: BriefClient, { all }: { readonly all: boolean }) =>
  all
    ? Effect.map(client.call["channels.deadLetters.list"]({ limit: 1 }), ({ counts }) => counts.total)
    : Effect.succeed(1)

/** Does it for the one that is named, or for all, page by page until nothing is left that it was not done for. */
export const eachOf = <A>(
  client: BriefClient,
  flags: { readonly all: boolean; readonly id: string | undefined },
  command: string,
  deed: Parameters<typeof each<A>>[2]
) =>
  Effect.gen(function* () {
    const seen = new Set<string>()
    const done: Array<A> = []
    const failed: Array<Failure> = []
    while (true) {
      const ids = (yield* chosen(client, flags, command)).filter((id) => !seen.has(id))
      if (ids.length === 0) return { done, failed }
      for (const id of ids) seen.add(id)
      const page = yield* each(ids, flags.all, deed)
      done.push(...page.done)
      failed.push(...page.failed)
    }
  })

/** Does it for each; what the Gateway refuses of one is told and keeps back none. A single one fails as it is. */
export const each = <A>(
  ids: ReadonlyArray<string>,
  all: boolean,
  deed: (id: string) => Effect.Effect<A, Effect.Error<ReturnType<BriefClient["request"]>>>
) =>
  Effect.gen(function* () {
    const done: Array<A> = []
    const failed: Array<Failure> = []
    for (const id of ids) {
      const result = yield* Effect.result(deed(id))
      if (result._tag === "Success") done.push(result.success)
      else if (all && result.failure instanceof GatewayError) {
        failed.push({ id, error: { code: result.failure.code, message: result.failure.message } })
      } else return yield* result.failure
    }
    return { done, failed }
  })
