/** Sessions as clients are shown them: what the row does not say, the configuration does. */
import * as Effect from "effect/Effect"
import { agentIdOf, type SessionKey } from "../../domain/SessionKey.ts"
import { invalidRequest } from "../../protocol/GatewayError.ts"
import type { SessionDefaults, SessionRow } from "../../protocol/methods/sessions.ts"
import { Config } from "../../services/Config.ts"
import type { OpenClawConfig } from "../../services/ConfigSchema.ts"
import { queueSettingOf, WEBCHAT } from "../../services/Queue.ts"
import { Sessions } from "../../services/Sessions.ts"
import * as Time from "../now.ts"
import * as Reference from "../models/reference.ts"
import { splitModel } from "../sessions/rows.ts"
import { storageFailed } from "./methods/errors.ts"

/** Looked at once for a request: each look is a look at the file. */
export const settings = Effect.flatMap(Config, (config) => Effect.orDie(config.get))

/** The model of an agent, when one is configured. */
export const modelOf = (
  config: OpenClawConfig,
  agentId: string
): { readonly modelProvider?: string; readonly model?: string } => {
  const first = Reference.configured(config, agentId)[0]
  if (first === undefined) return {}
  const parsed = Reference.parse(first, config)
  return splitModel(parsed === undefined ? first : `${parsed.provider}/${parsed.model}`)
}

/** How much a model reads at once, in tokens, where the configuration says it. */
export const contextOf = (config: OpenClawConfig, modelProvider: string | undefined, model: string | undefined) =>
  config.models?.providers?.[modelProvider ?? ""]?.models?.find(({ id }) => id === model)?.contextWindow

/** `now`: when the row was read. */
const filled = (config: OpenClawConfig, row: SessionRow, now: number): SessionRow => {
  const whole = row.model === undefined && row.agentId !== undefined ? { ...row, ...modelOf(config, row.agentId) } : row
  const contextTokens = contextOf(config, whole.modelProvider, whole.model)
  return { ...whole, snapshotAt: now, ...(contextTokens === undefined ? undefined : { contextTokens }) }
}

/** `now` is when they were read: a page that has a newer word of one does not take an older one for it. */
export const fill = (config: OpenClawConfig, rows: ReadonlyArray<SessionRow>, now: number): ReadonlyArray<SessionRow> =>
  rows.map((row) => filled(config, row, now))

/** There is one thinking level, so nobody can choose: a page then offers none. */
export const thinking = {
  thinkingLevels: [{ id: "off", label: "off" }],
  thinkingOptions: ["off"],
  thinkingDefault: "off"
}

/** What a new session of the agent has. A model that is chosen is the session's. */
export const defaultsOf = (config: OpenClawConfig, agentId: string): SessionDefaults => {
  const chosen = modelOf(config, agentId)
  const contextTokens = contextOf(config, chosen.modelProvider, chosen.model)
  return {
    ...chosen,
    ...(contextTokens === undefined ? undefined : { contextTokens }),
    ...thinking,
    modelSelectionTarget: "session"
  }
}

/** One session, with what becomes of messages that come while it is busy; `undefined`: there is none. */
export const describe = Effect.fnUntraced(function* (
  key: SessionKey,
  options?: Parameters<Sessions["Service"]["describe"]>[1]
) {
  const sessions = yield* Sessions
  const now = yield* Time.now
  const row = yield* Effect.mapError(sessions.describe(key, options), storageFailed)
  if (row === undefined) return undefined
  const config = yield* settings
  const override = yield* Effect.mapError(sessions.queue(key), storageFailed)
  return {
    ...filled(config, row, now),
    effectiveQueueMode: queueSettingOf(config, WEBCHAT, override).mode
  } satisfies SessionRow
})

/** The same for one that has nothing yet. */
export const describeAny = Effect.fnUntraced(function* (key: SessionKey) {
  const found = yield* describe(key)
  if (found !== undefined) return found
  const agentId = agentIdOf(key)
  const config = yield* settings
  const empty: SessionRow = {
    key,
    kind: "direct",
    ...(agentId === undefined ? undefined : { agentId }),
    isMain: key === `agent:${agentId}:main`,
    isBackground: false,
    updatedAt: null,
    archived: false,
    pinned: false,
    unread: false,
    hasActiveRun: false,
    activeRunIds: [],
    modelOverrideSource: null,
    effectiveQueueMode: queueSettingOf(config, WEBCHAT, undefined).mode
  }
  return filled(config, empty, yield* Time.now)
})

/** A session that was put away takes no new message of a program's, until somebody takes it out again. */
export const notArchived = Effect.fnUntraced(function* (key: SessionKey) {
  const row = yield* Effect.mapError((yield* Sessions).describe(key), storageFailed)
  if (row?.archived !== true) return
  return yield* invalidRequest(`Session "${key}" is archived. Restore it before starting new work.`)
})
