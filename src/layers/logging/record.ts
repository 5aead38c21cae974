/**
 * One log entry as plain data without secrets, and the two ways of writing it down. Pure.
 */
import * as Cause from "effect/Cause"
import * as Redacted from "effect/Redacted"
import * as Result from "effect/Result"
import type { FlowContext } from "../../services/Tracing.ts"
import { define } from "../config/path.ts"
import { isSecretKey } from "../config/redact.ts"
import { causeText, failureText, isForeseen } from "./causeText.ts"
import { type Redact, REDACTED } from "./Redactor.ts"

/**
 * One line of `gateway.log`. `subsystem` is the first word of the supervised fiber that it comes from. Where it belongs to a trace,
 * that is said by OpenClaw's names. `time` is ISO 8601 in UTC; `cause` is what went wrong, with the stack of what nobody foresaw. */
export interface LogRecord {
  readonly time: string
  readonly level: string
  readonly subsystem?: string
  readonly message: string
  readonly runId?: string
  readonly traceId?: string
  readonly spanId?: string
  readonly parentSpanId?: string
  readonly traceFlags?: "00" | "01"
  readonly cause?: string
  readonly annotations?: unknown
  /** Milliseconds since each log span began. */
  readonly spans?: Readonly<Record<string, number>>
}

export interface LogEntry {
  readonly date: Date
  readonly level: string
  readonly message: unknown
  readonly cause: Cause.Cause<unknown>
  readonly annotations: Readonly<Record<string, unknown>>
  readonly spans: ReadonlyArray<readonly [label: string, timestamp: number]>
  /** The trace that it belongs to. */
  readonly flow?: FlowContext | undefined
}

/** How far a logged value is followed, and how much of it is written. */
const MAX_DEPTH = 8
const MAX_ENTRIES = 100
const MAX_TEXT = 20_000

/**
 * Any value as JSON without secrets: texts are redacted, what stands under a secret's name is not written at all. A long
 * text is cut by the redactor itself, so that no half of a secret is left and a flood costs no more than its beginning.
 */
export const safe = (redact: Redact, value: unknown): unknown => {
  const text = (raw: string): string =>
    raw.length <= MAX_TEXT ? redact(raw) : `${redact(raw, MAX_TEXT).slice(0, MAX_TEXT)}… (${raw.length} characters)`
  const walk = (node: unknown, depth: number, above: ReadonlyArray<object>): unknown => {
    switch (typeof node) {
      case "string":
        return text(node)
      case "number":
        return text(String(node)) === String(node) && Number.isFinite(node) ? node : text(String(node))
      case "bigint":
      case "symbol":
        return text(String(node))
      case "function":
        return "[function]"
      case "object":
        break
      default:
        return node
    }
    if (node === null) return null
    if (Redacted.isRedacted(node)) return REDACTED
    if (Cause.isCause(node)) return text(causeText(node))
    if (node instanceof Error) return text(isForeseen(node) ? failureText(node) : Cause.pretty(Cause.die(node)))
    if (node instanceof Date || node instanceof URL || node instanceof RegExp) return text(String(node))
    if (ArrayBuffer.isView(node)) return `[${node.byteLength} bytes]`
    if (above.includes(node)) return "[circular]"
    if (depth >= MAX_DEPTH) return "[deeper]"
    const inside = [...above, node]
    if (Array.isArray(node)) return node.slice(0, MAX_ENTRIES).map((item) => walk(item, depth + 1, inside))
    const copy: Record<string, unknown> = {}
    const entries = node instanceof Map ? [...node] : Object.entries(node)
    for (const [key, own] of entries.slice(0, MAX_ENTRIES)) {
      const name = String(key)
      define(copy, text(name), isSecretKey(name) && own !== undefined ? REDACTED : walk(own, depth + 1, inside))
    }
    return copy
  }
  // A getter may throw, and a proxy may do anything; the log must not.
  return Result.getOrElse(
    Result.try(() => walk(value, 0, [])),
    () => "[unprintable]"
  )
}

const flat = (value: unknown): string => (typeof value === "string" ? value : (JSON.stringify(value) ?? String(value)))

/** A run's id is the client's word. */
const flowOf = (redact: Redact, { parentSpanId, runId, sampled, spanId, traceId }: FlowContext) => ({
  ...(runId === undefined ? undefined : { runId: redact(runId, 512) }),
  traceId,
  spanId,
  ...(parentSpanId === undefined ? undefined : { parentSpanId }),
  traceFlags: sampled ? ("01" as const) : ("00" as const)
})

/** `channels` of `channels/telegram/default/inbox`. */
const subsystemOf = ({ fiber }: Readonly<Record<string, unknown>>): string | undefined =>
  typeof fiber === "string" ? fiber.split("/", 1)[0] : undefined

export const toRecord = (redact: Redact, entry: LogEntry): LogRecord => {
  const parts = Array.isArray(entry.message) ? entry.message : [entry.message]
  const annotated = Object.keys(entry.annotations).length > 0
  const now = entry.date.getTime()
  const subsystem = subsystemOf(entry.annotations)
  return {
    time: entry.date.toISOString(),
    level: entry.level.toLowerCase(),
    ...(subsystem === undefined ? undefined : { subsystem }),
    message: parts.map((part) => flat(safe(redact, part))).join(" "),
    ...(entry.flow === undefined ? undefined : flowOf(redact, entry.flow)),
    ...(entry.cause.reasons.length === 0 ? undefined : { cause: flat(safe(redact, entry.cause)) }),
    ...(annotated ? { annotations: safe(redact, entry.annotations) } : undefined),
    ...(entry.spans.length === 0
      ? undefined
      : { spans: Object.fromEntries(entry.spans.map(([label, since]) => [redact(label), now - since])) })
  }
}

/** Control and direction-changing characters as escapes: a device's name must not move the reader's cursor. */
const printable = (text: string): string =>
  text.replace(
    /[\p{Cc}\p{Cf}\p{Zl}\p{Zp}]/gu,
    (character) => `\\u{${(character.codePointAt(0) ?? 0).toString(16).padStart(4, "0")}}`
  )

const colors: Readonly<Record<string, number>> = { fatal: 35, error: 31, warn: 33, info: 32, debug: 36, trace: 90 }

/** For people: `12:03:04.567 WARN message key=value`, the cause behind the message, or indented below when it is long. */
export const toPretty = (record: LogRecord, color: boolean): string => {
  const paint = (code: number, text: string) => (color ? `\u001B[${code}m${text}\u001B[0m` : text)
  const annotations = Object.entries((record.annotations as Readonly<Record<string, unknown>> | undefined) ?? {}).map(
    ([key, value]) => ` ${paint(90, `${printable(key)}=${printable(flat(value))}`)}`
  )
  const spans = Object.entries(record.spans ?? {}).map(([label, ms]) => ` ${paint(90, `${printable(label)}=${ms}ms`)}`)
  const head = `${paint(90, record.time.slice(11, 23))} ${paint(colors[record.level] ?? 0, record.level.toUpperCase())}`
  const cause = record.cause?.trimEnd().split("\n") ?? []
  const short = cause.length === 1 ? `: ${printable(cause[0] ?? "")}` : ""
  const below = cause.length === 1 ? "" : cause.map((line) => `\n    ${printable(line)}`).join("")
  return `${head} ${printable(record.message)}${short}${annotations.join("")}${spans.join("")}${below}\n`
}

/** For machines: one line of JSON. */
export const toJsonLine = (record: LogRecord): string => `${JSON.stringify(record)}\n`
