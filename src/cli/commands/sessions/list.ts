import * as Clock from "effect/Clock"
import * as Effect from "effect/Effect"
import type { SessionRow } from "../../../protocol/methods/sessions.ts"
import { ask } from "../../gateway.ts"
import { ago, print, table } from "../../output.ts"

const modelOf = ({ model, modelProvider }: SessionRow): string =>
  model === undefined ? "" : modelProvider === undefined ? model : `${modelProvider}/${model}`

/** Prints `sessions.list`, each row with its `ageMs`. */
export const run = Effect.fn("cli.sessions.list")(function* (flags: {
  readonly agent: string | undefined
  readonly allAgents: boolean
  readonly active: number | undefined
  readonly limit: number | undefined
  readonly timeout: number
}) {
  const limit = flags.limit ?? 100
  const answer = yield* ask({ scopes: ["operator.read"], timeoutMs: flags.timeout }, (client) =>
    client.call["sessions.list"]({
      limit,
      ...(flags.agent === undefined || flags.allAgents ? undefined : { agentId: flags.agent }),
      ...(flags.active === undefined ? undefined : { activeMinutes: flags.active })
    })
  )
  const now = yield* Clock.currentTimeMillis
  const { sessions } = answer
  const total = answer.totalCount ?? answer.count
  const rows = sessions.map((row) => ({
    ...row,
    ageMs: typeof row.updatedAt === "number" ? Math.max(0, now - row.updatedAt) : null
  }))
  yield* print(
    {
      path: answer.path,
      count: answer.count,
      totalCount: total,
      limitApplied: limit,
      activeMinutes: flags.active ?? null,
      sessions: rows
    },
    () =>
      sessions.length === 0
        ? `No sessions${flags.active === undefined && flags.agent === undefined ? " yet. Start one with `openclaw agent -m hello`." : " match."}`
        : [
            table(
              ["Kind", "Key", "Age", "State", "Model", "Tokens"],
              sessions.map((row) => [
                row.kind,
                row.key,
                ago(now, row.updatedAt),
                row.status ?? "",
                modelOf(row),
                row.totalTokens === undefined ? "" : String(row.totalTokens)
              ])
            ),
            ...(total > sessions.length ? ["", `${sessions.length} of ${total}; --limit shows more.`] : [])
          ].join("\n")
  )
})
