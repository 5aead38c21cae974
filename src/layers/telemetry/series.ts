/**
 * What is counted: names, labels and units, OpenClaw's where it counts the same.
 *
 * Labels are bounded: each takes so many values, whatever comes, and none is an id, a text or somebody's name. Units are
 * seconds, bytes and pieces.
 */
import type * as Context from "effect/Context"
import * as Metric from "effect/Metric"
import type { Attribute } from "../../services/Tracing.ts"
import type { SpanRecord } from "../tracing/record.ts"

/** Values that one label takes; every further one is `other`. */
export const MOST_VALUES = 64

const seconds = [0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60, 120, 300, 600]

type Labels = Readonly<Record<string, string>>

/** A metric by its labels, each combination made once. */
const family = <M extends Metric.Metric<number, unknown>>(metric: M) => {
  const made = new Map<string, Metric.Metric<number, unknown>>()
  return (labels: Labels): Metric.Metric<number, unknown> => {
    const key = Object.values(labels).join("\u0000")
    const known = made.get(key)
    if (known !== undefined) return known
    const own = Metric.withAttributes(metric, labels)
    made.set(key, own)
    return own
  }
}

const counter = (name: string, description: string) => family(Metric.counter(name, { description, incremental: true }))
const histogram = (name: string, description: string) =>
  family(Metric.histogram(name, { description, boundaries: seconds }))
const gauge = (name: string, description: string) => family(Metric.gauge(name, { description }))

export interface Series {
  /** Counts one span that ended. */
  readonly count: (span: SpanRecord) => void
  /** Sets what only a look tells. */
  readonly set: (name: keyof typeof gauges, labels: Labels, value: number) => void
}

const gauges = {
  queue: ["openclaw_queue_lane_size", "Messages that wait: inbox, sessions, outbox"],
  connections: ["openclaw_gateway_connections", "Clients and nodes that are connected"],
  connects: [
    "openclaw_gateway_connects",
    "Connections that finished the handshake since the start; again: of a device that was here before"
  ],
  memory: ["openclaw_memory_bytes", "Memory of the process"],
  delay: ["openclaw_gateway_event_loop_delay_seconds", "How late timers were since the last look"],
  uptime: ["openclaw_gateway_uptime_seconds", "Time since the start"]
} as const

const clean = (value: Attribute | undefined): string => {
  const text = value === undefined || value === "" ? "none" : String(value)
  return text.length <= 80 && /^[\w.:/@+-]+$/.test(text) ? text : "other"
}

/** In the registry of `context`, as Effect's metrics are. */
export const make = (context: Context.Context<never>): Series => {
  const values = new Map<string, Set<string>>()
  const bounded = (label: string, raw: Attribute | undefined): string => {
    const value = clean(raw)
    const known = values.get(label) ?? new Set<string>()
    values.set(label, known)
    if (known.has(value)) return value
    if (known.size >= MOST_VALUES) return "other"
    known.add(value)
    return value
  }

  const received = counter("openclaw_message_received_total", "Messages that came by a channel")
  const turns = counter("openclaw_run_completed_total", "Turns that ended")
  const turnTime = histogram("openclaw_run_duration_seconds", "Turns, from their start or resumption to their end")
  const calls = counter("openclaw_model_call_total", "Calls of a model")
  const callTime = histogram("openclaw_model_call_duration_seconds", "Calls of a model, to the last word")
  const tokens = counter("openclaw_model_tokens_total", "Tokens, as the providers tell them")
  const tools = counter("openclaw_tool_execution_total", "Calls of a tool")
  const toolTime = histogram("openclaw_tool_execution_duration_seconds", "Calls of a tool")
  const invokes = counter("openclaw_node_invoke_total", "Commands that nodes were asked for")
  const invokeTime = histogram("openclaw_node_invoke_duration_seconds", "Commands of nodes, to the answer")
  const deliveries = counter("openclaw_message_delivery_total", "Replies that were delivered, or not")
  const attempts = counter("openclaw_message_delivery_attempts_total", "Tries to deliver a reply")
  const deliveryTime = histogram("openclaw_message_delivery_duration_seconds", "Replies, to the channel's last answer")
  const looks = Object.fromEntries(
    Object.entries(gauges).map(([key, [name, description]]) => [key, gauge(name, description)])
  )

  const add = (metric: ReturnType<typeof counter>, labels: Labels, by = 1) => metric(labels).updateUnsafe(by, context)
  const both = (
    total: ReturnType<typeof counter>,
    time: ReturnType<typeof histogram>,
    labels: Labels,
    span: SpanRecord
  ) => {
    add(total, labels)
    time(labels).updateUnsafe((span.durationMs ?? 0) / 1000, context)
  }

  return {
    count: (span) => {
      const { attributes: of } = span
      const outcome = bounded("outcome", of["outcome"] ?? span.status)
      const channel = () => bounded("channel", of["channel"])
      const model = () => ({ provider: bounded("provider", of["provider"]), model: bounded("model", of["model"]) })
      switch (span.name) {
        case "receive":
          return add(received, { channel: channel() })
        case "turn":
          return both(turns, turnTime, { channel: channel(), outcome, ...model() }, span)
        case "model": {
          const labels = model()
          both(calls, callTime, { outcome, ...labels }, span)
          for (const [type, key] of [
            ["input", "inputTokens"],
            ["output", "outputTokens"]
          ] as const) {
            const used = of[key]
            if (typeof used === "number" && used > 0) add(tokens, { token_type: type, ...labels }, used)
          }
          return
        }
        case "tool":
          return both(tools, toolTime, { outcome, tool: bounded("tool", of["tool"]) }, span)
        case "invoke":
          return both(invokes, invokeTime, { outcome, command: bounded("command", of["command"]) }, span)
        case "deliver": {
          const labels = { channel: channel(), outcome }
          both(deliveries, deliveryTime, labels, span)
          const tries = of["attempts"]
          return add(attempts, { channel: labels.channel }, typeof tries === "number" ? tries : 1)
        }
        default:
          return
      }
    },
    set: (name, labels, value) => looks[name]?.(labels).updateUnsafe(value, context)
  }
}
