/** Tokens and messages by session, day and model, added up from the transcripts. */
import * as Effect from "effect/Effect"
import type * as SqlClient from "effect/sql/SqlClient"
import type { Fragment } from "effect/sql/Statement"
import type { MessageCounts, SessionsUsageResult, SessionUsage, UsageTotals } from "../../protocol/methods/usage.ts"
import type { UsageOptions } from "../../services/Sessions.ts"
import { failed } from "./rows.ts"

/** The messages of a session on one day that are alike. */
interface Part {
  readonly date: string
  readonly role: string
  readonly provider: string | null
  readonly model: string | null
  readonly n: number
  readonly priced: number
  readonly input: number
  readonly output: number
  readonly total: number
  readonly tool_calls: number
  readonly errors: number
  readonly first: number
  readonly last: number
}

interface Session {
  readonly key: string
  readonly label: string | null
  readonly session_id: string
  readonly updated_at: number
  readonly agent_id: string | null
  readonly channel: string | null
  readonly chat_type: string | null
  readonly model: string | null
  readonly model_provider: string | null
}

const sum = (parts: ReadonlyArray<Part>, of: (part: Part) => number): number =>
  parts.reduce((before, part) => before + of(part), 0)

const totalsOf = (parts: ReadonlyArray<Part>): UsageTotals => ({
  input: sum(parts, ({ input }) => input),
  output: sum(parts, ({ output }) => output),
  cacheRead: 0,
  cacheWrite: 0,
  totalTokens: sum(parts, ({ total }) => total),
  totalCost: 0,
  inputCost: 0,
  outputCost: 0,
  cacheReadCost: 0,
  cacheWriteCost: 0,
  missingCostEntries: sum(parts, ({ priced }) => priced)
})

const countsOf = (parts: ReadonlyArray<Part>): MessageCounts => {
  const of = (role: string) => sum(parts, (part) => (part.role === role ? part.n : 0))
  return {
    total: sum(parts, ({ n }) => n),
    user: of("user"),
    assistant: of("assistant"),
    toolCalls: sum(parts, ({ tool_calls }) => tool_calls),
    toolResults: of("toolResult"),
    errors: sum(parts, ({ errors }) => errors)
  }
}

const by = <A>(all: ReadonlyArray<A>, key: (one: A) => string | undefined): Array<readonly [string, Array<A>]> => {
  const groups = new Map<string, Array<A>>()
  for (const one of all) {
    const name = key(one)
    if (name === undefined) continue
    const group = groups.get(name)
    if (group === undefined) groups.set(name, [one])
    else group.push(one)
  }
  return Array.from(groups).sort(([a], [b]) => (a < b ? -1 : 1))
}

/** What models said; a compaction took one too. */
const answers = (parts: ReadonlyArray<Part>) =>
  parts.filter(({ model, role }) => role === "assistant" || model !== null)
const named = ({ model, provider }: Pick<Part, "provider" | "model">) => ({
  ...(provider === null ? undefined : { provider }),
  ...(model === null ? undefined : { model })
})
const modelKey = ({ model, provider }: Part) => JSON.stringify([provider, model])
const byModel = (parts: ReadonlyArray<Part>) =>
  by(answers(parts), modelKey).map(([, group]) => ({
    ...named(group[0]!),
    count: sum(group, ({ n }) => n),
    totals: totalsOf(group)
  }))

const usageOf = (parts: ReadonlyArray<Part>, sessionId: string): SessionUsage => {
  const days = by(parts, ({ date }) => date)
  const first = Math.min(...parts.map((part) => part.first))
  const last = Math.max(...parts.map((part) => part.last))
  return {
    ...totalsOf(parts),
    sessionId,
    firstActivity: first,
    lastActivity: last,
    durationMs: last - first,
    activityDates: days.map(([date]) => date),
    messageCounts: countsOf(parts),
    modelUsage: byModel(parts),
    dailyBreakdown: days.map(([date, group]) => {
      const totals = totalsOf(group)
      return { date, tokens: totals.totalTokens, cost: 0, ...totals }
    }),
    dailyMessageCounts: days.map(([date, group]) => ({ date, ...countsOf(group) })),
    dailyModelUsage: days.flatMap(([date, group]) =>
      byModel(group).map(({ count, totals, ...model }) => ({
        date,
        ...model,
        tokens: totals.totalTokens,
        cost: 0,
        count
      }))
    )
  }
}

export const make = (sql: SqlClient.SqlClient) => {
  const partsOf = (key: string, { from, offsetMinutes, until }: UsageOptions) =>
    sql<Part>`
      SELECT
        date(at / 1000 + ${offsetMinutes * 60}, 'unixepoch') AS date, role, provider, model,
        COUNT(*) AS n, COUNT(tokens) AS priced, TOTAL(input) AS input, TOTAL(output) AS output, TOTAL(tokens) AS total,
        CAST(TOTAL(tool_calls) AS INTEGER) AS tool_calls, COUNT(error) AS errors, MIN(at) AS first, MAX(at) AS last
      FROM (
        SELECT
          created_at AS at,
          message ->> '$.role' AS role,
          message ->> '$.provider' AS provider,
          message ->> '$.model' AS model,
          message ->> '$.usage.inputTokens' AS input,
          message ->> '$.usage.outputTokens' AS output,
          COALESCE(
            message ->> '$.usage.totalTokens',
            (message ->> '$.usage.inputTokens') + (message ->> '$.usage.outputTokens')
          ) AS tokens,
          message ->> '$.errorMessage' AS error,
          CASE WHEN json_type(message, '$.content') = 'array' THEN (
            SELECT COUNT(*) FROM json_each(message, '$.content') AS part WHERE part.value ->> '$.type' = 'toolCall'
          ) END AS tool_calls
        FROM transcript WHERE session_key = ${key} AND created_at >= ${from} AND created_at < ${until}
      ) GROUP BY 1, 2, 3, 4`

  const toolsOf = (key: string, { from, until }: UsageOptions) =>
    sql<{ readonly name: string; readonly n: number }>`
      SELECT message ->> '$.toolName' AS name, COUNT(*) AS n FROM transcript
      WHERE session_key = ${key} AND created_at >= ${from} AND created_at < ${until} AND message ->> '$.toolName' IS NOT NULL
      GROUP BY 1`

  return Effect.fn("Sessions.usage")(
    function* (options: UsageOptions) {
      const filters: Array<Fragment> = []
      if (options.sessionKey !== undefined) filters.push(sql`key = ${options.sessionKey}`)
      if (options.agentId !== undefined) filters.push(sql`agent_id = ${options.agentId}`)
      const sessions = yield* sql<Session>`
        SELECT key, label, session_id, updated_at, agent_id, channel, chat_type, model, model_provider
        FROM sessions WHERE ${sql.and([sql`updated_at >= ${options.from}`, ...filters])}
        ORDER BY updated_at DESC, key LIMIT ${options.limit}`
      const read = yield* Effect.forEach(sessions, (session) =>
        Effect.map(
          // One session at a time: reading many messages leaves room for others in between.
          Effect.andThen(
            Effect.yieldNow,
            Effect.all({ parts: partsOf(session.key, options), tools: toolsOf(session.key, options) })
          ),
          ({ parts, tools }) => ({ session, parts, tools })
        )
      )
      const all = read.flatMap(({ parts }) => parts)
      const spread = (of: (session: Session) => string | null) =>
        by(read, ({ session }) => of(session) ?? undefined).map(
          ([name, group]) => [name, totalsOf(group.flatMap(({ parts }) => parts))] as const
        )
      const tools = by(
        read.flatMap((one) => one.tools),
        ({ name }) => name
      ).map(([name, group]) => ({ name, count: group.reduce((count, { n }) => count + n, 0) }))
      return {
        sessions: read.map(({ parts, session }) => ({
          key: session.key,
          sessionId: session.session_id,
          scope: "instance",
          updatedAt: session.updated_at,
          ...(session.label === null ? undefined : { label: session.label }),
          ...(session.agent_id === null ? undefined : { agentId: session.agent_id }),
          ...(session.channel === null ? undefined : { channel: session.channel }),
          ...(session.chat_type === null ? undefined : { chatType: session.chat_type }),
          ...(session.model_provider === null ? undefined : { modelProvider: session.model_provider }),
          ...(session.model === null ? undefined : { model: session.model }),
          usage: parts.length === 0 ? null : usageOf(parts, session.session_id)
        })),
        totals: totalsOf(all),
        aggregates: {
          sessionCount: read.filter(({ parts }) => parts.length > 0).length,
          messages: countsOf(all),
          tools: {
            totalCalls: tools.reduce((count, tool) => count + tool.count, 0),
            uniqueTools: tools.length,
            tools: tools.toSorted((a, b) => b.count - a.count)
          },
          byModel: byModel(all),
          byProvider: by(answers(all), ({ provider }) => provider ?? undefined).map(([provider, group]) => ({
            provider,
            count: sum(group, ({ n }) => n),
            totals: totalsOf(group)
          })),
          byAgent: spread(({ agent_id }) => agent_id).map(([agentId, totals]) => ({ agentId, totals })),
          byChannel: spread(({ channel }) => channel).map(([channel, totals]) => ({ channel, totals })),
          daily: by(all, ({ date }) => date).map(([date, group]) => {
            const counts = countsOf(group)
            return {
              date,
              tokens: totalsOf(group).totalTokens,
              cost: 0,
              messages: counts.total,
              toolCalls: counts.toolCalls,
              errors: counts.errors
            }
          })
        }
      } satisfies Pick<SessionsUsageResult, "sessions" | "totals" | "aggregates">
    },
    Effect.mapError(failed("adding up what was used"))
  )
}
