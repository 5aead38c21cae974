/**
 * What becomes of a message that comes while its session is busy. OpenClaw's names and keys; two of its defaults are not
 * ours: a message waits for a turn of its own (OpenClaw: `steer`), and there is no cap (OpenClaw: 20), because here every
 * message has one complete reply unless somebody chose otherwise.
 */
import * as Schema from "effect/Schema"
import type { OpenClawConfig } from "./ConfigSchema.ts"

/**
 * `followup`: each message is a turn of its own, in order of arrival. `steer`: the running turn takes it in before its next
 * model call, and tools that it has not started yet are not run; too late for that, it is a turn of its own. `collect`: those
 * that wait become one turn once it has been quiet for a while. `interrupt`: what runs and what waits is ended, the newest
 * runs.
 */
export const QueueMode = Schema.Literals(["steer", "followup", "collect", "interrupt"])
export type QueueMode = typeof QueueMode.Type

/** Beyond the cap: the oldest go, the newest goes, or the oldest are kept as the beginnings of their texts in one turn. */
export const QueueDrop = Schema.Literals(["old", "new", "summarize"])
export type QueueDrop = typeof QueueDrop.Type

/** What a session was told by `/queue`. `debounceMs` in milliseconds, `cap` in messages that wait. */
export const QueueOverride = Schema.Struct({
  mode: Schema.optional(QueueMode),
  debounceMs: Schema.optional(Schema.Natural),
  cap: Schema.optional(Schema.Natural),
  drop: Schema.optional(QueueDrop)
})
export type QueueOverride = typeof QueueOverride.Type

export interface QueueSetting {
  readonly mode: QueueMode
  /** Milliseconds of quiet that `collect` waits for. */
  readonly debounceMs: number
  /** Messages that may wait in a session; any number when left out. */
  readonly cap?: number
  readonly drop: QueueDrop
  /** The message was meant for the running turn by its sender (`/steer`): it passes those that wait. */
  readonly passes?: boolean
}

export const DEFAULT_QUEUE: QueueSetting = { mode: "followup", debounceMs: 500, drop: "summarize" }

/** What `/steer` asks for, whatever the session's setting. */
export const STEER: QueueSetting = { ...DEFAULT_QUEUE, mode: "steer", passes: true }

/** The channel name of messages that come over the Gateway's own protocol. */
export const WEBCHAT = "webchat"

/** The setting for a message: what the session was told goes first, then the channel's, then the general one. */
export const queueSettingOf = (
  config: OpenClawConfig,
  channel: string,
  override: QueueOverride | undefined,
  mode?: QueueMode
): QueueSetting => {
  const queue = config.messages?.queue
  const cap = override?.cap ?? queue?.cap
  return {
    mode: mode ?? override?.mode ?? queue?.byChannel?.[channel] ?? queue?.mode ?? DEFAULT_QUEUE.mode,
    debounceMs: override?.debounceMs ?? queue?.debounceMsByChannel?.[channel] ?? DEFAULT_QUEUE.debounceMs,
    drop: override?.drop ?? queue?.drop ?? DEFAULT_QUEUE.drop,
    ...(cap === undefined || cap < 1 ? undefined : { cap })
  }
}
