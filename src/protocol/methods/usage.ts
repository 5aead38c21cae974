/**
 * `sessions.usage`: tokens and messages, by session, day and model.
 *
 * A price of a token is nobody's business here: costs are 0, and `missingCostEntries` counts the answers without one.
 */
import * as Schema from "effect/Schema"
import { Name, SessionKeyText } from "../text.ts"

const Day = Schema.String.pipe(Schema.check(Schema.isPattern(/^\d{4}-\d{2}-\d{2}$/)))

export const SessionsUsageParams = Schema.Struct({
  key: Schema.optional(SessionKeyText),
  agentId: Schema.optional(Name),
  agentScope: Schema.optional(Schema.Literal("all")),
  /** The first and the last day, both included. */
  startDate: Schema.optional(Day),
  endDate: Schema.optional(Day),
  /** Whose days: the universal ones, the Gateway's, or those of `utcOffset`. */
  mode: Schema.optional(Schema.Literals(["utc", "gateway", "specific"])),
  /** Without dates: so many days up to today. Left out: 30. */
  range: Schema.optional(Schema.Literals(["7d", "30d", "90d", "1y", "all"])),
  groupBy: Schema.optional(Schema.Literals(["instance", "family"])),
  includeHistorical: Schema.optional(Schema.Boolean),
  utcOffset: Schema.optional(Schema.String.pipe(Schema.check(Schema.isPattern(/^UTC[+-]\d{1,2}(?::[0-5]\d)?$/)))),
  timeZone: Schema.optional(Name),
  /** Sessions at most; 50 when left out. The sums are of these. */
  limit: Schema.optional(Schema.Int.pipe(Schema.check(Schema.isGreaterThanOrEqualTo(1)))),
  includeContextWeight: Schema.optional(Schema.Boolean)
})
export type SessionsUsageParams = typeof SessionsUsageParams.Type

const tokens = {
  input: Schema.Finite,
  output: Schema.Finite,
  cacheRead: Schema.Finite,
  cacheWrite: Schema.Finite,
  totalTokens: Schema.Finite,
  totalCost: Schema.Finite,
  inputCost: Schema.Finite,
  outputCost: Schema.Finite,
  cacheReadCost: Schema.Finite,
  cacheWriteCost: Schema.Finite,
  /** Answers of models whose price is not known. */
  missingCostEntries: Schema.Natural
}
export const UsageTotals = Schema.Struct(tokens)
export type UsageTotals = typeof UsageTotals.Type

const counts = {
  total: Schema.Natural,
  user: Schema.Natural,
  assistant: Schema.Natural,
  toolCalls: Schema.Natural,
  toolResults: Schema.Natural,
  errors: Schema.Natural
}
export const MessageCounts = Schema.Struct(counts)
export type MessageCounts = typeof MessageCounts.Type

const ModelUsage = Schema.Struct({
  provider: Schema.optional(Schema.String),
  model: Schema.optional(Schema.String),
  count: Schema.Natural,
  totals: UsageTotals
})

const SessionUsage = Schema.Struct({
  ...tokens,
  sessionId: Schema.optional(Schema.String),
  firstActivity: Schema.optional(Schema.Finite),
  lastActivity: Schema.optional(Schema.Finite),
  durationMs: Schema.optional(Schema.Finite),
  activityDates: Schema.Array(Schema.String),
  messageCounts: MessageCounts,
  modelUsage: Schema.Array(ModelUsage),
  dailyBreakdown: Schema.Array(
    Schema.Struct({ date: Schema.String, tokens: Schema.Finite, cost: Schema.Finite, ...tokens })
  ),
  dailyMessageCounts: Schema.Array(Schema.Struct({ date: Schema.String, ...counts })),
  dailyModelUsage: Schema.Array(
    Schema.Struct({
      date: Schema.String,
      provider: Schema.optional(Schema.String),
      model: Schema.optional(Schema.String),
      tokens: Schema.Finite,
      cost: Schema.Finite,
      count: Schema.Natural
    })
  )
})
export type SessionUsage = typeof SessionUsage.Type

export const SessionsUsageResult = Schema.Struct({
  updatedAt: Schema.Finite,
  startDate: Schema.String,
  endDate: Schema.String,
  sessions: Schema.Array(
    Schema.Struct({
      key: Schema.String,
      label: Schema.optional(Schema.String),
      sessionId: Schema.optional(Schema.String),
      scope: Schema.optional(Schema.String),
      updatedAt: Schema.optional(Schema.Finite),
      agentId: Schema.optional(Schema.String),
      channel: Schema.optional(Schema.String),
      chatType: Schema.optional(Schema.String),
      modelProvider: Schema.optional(Schema.String),
      model: Schema.optional(Schema.String),
      /** `null`: nothing was said in this time. */
      usage: Schema.NullOr(SessionUsage)
    })
  ),
  totals: UsageTotals,
  aggregates: Schema.Struct({
    sessionCount: Schema.optional(Schema.Natural),
    messages: MessageCounts,
    tools: Schema.Struct({
      totalCalls: Schema.Natural,
      uniqueTools: Schema.Natural,
      tools: Schema.Array(Schema.Struct({ name: Schema.String, count: Schema.Natural }))
    }),
    byModel: Schema.Array(ModelUsage),
    byProvider: Schema.Array(ModelUsage),
    byAgent: Schema.Array(Schema.Struct({ agentId: Schema.String, totals: UsageTotals })),
    byChannel: Schema.Array(Schema.Struct({ channel: Schema.String, totals: UsageTotals })),
    daily: Schema.Array(
      Schema.Struct({
        date: Schema.String,
        tokens: Schema.Finite,
        cost: Schema.Finite,
        messages: Schema.Natural,
        toolCalls: Schema.Natural,
        errors: Schema.Natural
      })
    )
  })
})
export type SessionsUsageResult = typeof SessionsUsageResult.Type
