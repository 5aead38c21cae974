/** What `sessions archive` and `sessions delete` have in common: one key after the other, and a result for each. */
import * as Effect from "effect/Effect"
import type { BriefClient } from "../../../client/BriefClient.ts"
import type { SessionRow } from "../../../protocol/methods/sessions.ts"
import { NotWell, tell } from "../../errors.ts"
import { plain, print } from "../../output.ts"

export interface Flags {
  readonly keys: ReadonlyArray<string>
  readonly agent: string | undefined
  readonly dryRun: boolean
  readonly timeout: number
}

export interface Done {
  readonly key: string
  readonly ok: boolean
  readonly status: string
  readonly error?: string
}

const absent = "Session not found. Run `openclaw sessions list` to see which there are."

/** Does it to each session in turn, or says what would be done. One that fails does not hold up the next. */
export const toEach = <E extends { readonly message: string }, R>(
  client: BriefClient,
  flags: Flags,
  would: string,
  change: (row: SessionRow & { readonly sessionId: string }) => Effect.Effect<string, E, R>
) =>
  Effect.forEach(flags.keys, (key) =>
    Effect.gen(function* (): Effect.fn.Return<Done, E | Effect.Error<ReturnType<typeof find>>, R> {
      const row = yield* find(client, key, flags.agent)
      if (row?.sessionId === undefined) return { key, ok: false, status: "not_found", error: absent }
      const status = flags.dryRun ? would : yield* change({ ...row, sessionId: row.sessionId })
      return { key: row.key, ok: true, status }
    }).pipe(Effect.catch(({ message }) => Effect.succeed<Done>({ key, ok: false, status: "error", error: message })))
  )

const find = (client: BriefClient, key: string, agent: string | undefined) =>
  Effect.map(
    client.call["sessions.describe"]({
      key: agent === undefined || key.startsWith("agent:") ? key : `agent:${agent}:${key}`
    }),
    ({ session }) => session ?? undefined
  )

/** Prints the results. Exit code 1 when one was not done. */
export const report = Effect.fnUntraced(function* (
  operation: "archive" | "delete",
  flags: Flags,
  results: ReadonlyArray<Done>
) {
  const ok = results.every((result) => result.ok)
  const error = { type: "cli_error", message: `Session ${operation} did not complete for every requested key.` }
  yield* print({ ok, ...(ok ? undefined : { error }), operation, dryRun: flags.dryRun, results }, () =>
    results
      .flatMap(({ key, ok: done, status }) => (done ? [`${plain(key)}: ${status.replaceAll("_", " ")}`] : []))
      .join("\n")
  )
  for (const result of results) {
    if (!result.ok) yield* tell(`${operation} ${plain(result.key)}: ${plain(result.error ?? result.status)}`)
  }
  if (!ok) return yield* new NotWell({})
})
