import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import { NotWell, tell } from "../../errors.ts"
import { ask } from "../../gateway.ts"
import { Json } from "../../globals.ts"
import { count, plain, print } from "../../output.ts"

export interface Flags {
  readonly key: string
  readonly agent: string | undefined
  readonly maxLines: number | undefined
  readonly timeout: number | undefined
}

/** Milliseconds to reach the Gateway when `--timeout` says nothing. */
const CONNECT_MS = 10_000
/** A summary takes as long as the Gateway gives it; nobody waits for ever all the same. */
const PATIENCE = Duration.hours(24)

interface Answer {
  readonly key: string
  readonly compacted: boolean
  readonly reason?: string | undefined
  readonly kept?: number | undefined
  readonly result?:
    | { readonly tokensBefore?: number | undefined; readonly tokensAfter?: number | undefined }
    | undefined
}

const because = (reason: string | undefined, before: string, after = ""): string =>
  reason === undefined ? "" : `${before}${plain(reason)}${after}`

const described = ({ compacted, kept, key, reason, result }: Answer): string => {
  if (!compacted) return `No compaction needed for session ${plain(key)}${because(reason, " (", ")")}.`
  const { tokensAfter, tokensBefore } = result ?? {}
  if (tokensBefore !== undefined && tokensAfter !== undefined) {
    return `Compacted session ${plain(key)} (about ${tokensBefore} → ${tokensAfter} tokens).`
  }
  return `Compacted session ${plain(key)}${kept === undefined ? "" : ` (${count(kept, "message")} kept)`}.`
}

/** Calls `sessions.compact`. Exit code 1 when the Gateway says that it did not do what there was to do. */
export const run = Effect.fn("cli.sessions.compact")(function* ({ agent, key, maxLines, timeout }: Flags) {
  const answer = yield* ask(
    { scopes: ["operator.admin"], timeoutMs: timeout ?? CONNECT_MS, waitingFor: "Waiting for the summary" },
    (client) =>
      client.call["sessions.compact"](
        {
          key,
          ...(agent === undefined ? undefined : { agentId: agent }),
          ...(maxLines === undefined ? undefined : { maxLines })
        },
        { timeout: timeout ?? PATIENCE }
      )
  )
  if (answer.ok) return yield* print(answer, () => described(answer))
  if (yield* Json) yield* print(answer, () => "")
  else yield* tell(`Compaction failed for session ${plain(answer.key)}${because(answer.reason, ": ")}.`)
  return yield* new NotWell({})
})
