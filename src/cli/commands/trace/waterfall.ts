/**
 * A trace as people read it: a tree, and beside it when each step began and how long it took. Pure.
 */
import { displayWidth } from "effect/cli/CliOutput"
import * as DateTime from "effect/DateTime"
import * as Option from "effect/Option"
import type { Trace, TraceSpan } from "../../../protocol/methods/diagnostics.ts"
import { plain } from "../../output.ts"

/** Characters of the bars. */
const WIDTH = 28

const millis = (value: number): string =>
  value >= 10_000
    ? `${(value / 1000).toFixed(1)} s`
    : value >= 100
      ? `${Math.round(value)} ms`
      : `${value.toFixed(1)} ms`

const of = (span: TraceSpan, key: string): string | undefined =>
  span.attributes[key] === undefined ? undefined : plain(String(span.attributes[key]))

/** What a step is about, behind its name. The attributes that it is made of are not shown again. */
const about: Readonly<Record<string, readonly [keys: ReadonlyArray<string>, text: (span: TraceSpan) => string]>> = {
  receive: [["channel"], (span) => of(span, "channel") ?? ""],
  request: [["method"], (span) => of(span, "method") ?? ""],
  model: [
    ["provider", "model"],
    (span) =>
      `${of(span, "provider") ?? ""}/${of(span, "model") ?? ""}${span.attributes["summary"] === undefined ? "" : " (summary)"}`
  ],
  tool: [["tool"], (span) => of(span, "tool") ?? ""],
  invoke: [
    ["command", "asked", "node", "nodeId"],
    (span) =>
      `${of(span, "command") ?? of(span, "asked") ?? ""} on ${of(span, "node") ?? of(span, "nodeId")?.slice(0, 12) ?? "?"}`
  ],
  deliver: [["channel"], (span) => of(span, "channel") ?? ""],
  turn: [["runId", "sessionKey", "resumed"], (span) => (span.attributes["resumed"] === true ? "resumed" : "")]
}

const labelOf = (span: TraceSpan): string => `${plain(span.name)} ${about[span.name]?.[1](span) ?? ""}`.trimEnd()

const detailsOf = (span: TraceSpan): string => {
  const said = about[span.name]?.[0] ?? []
  const rest = Object.keys(span.attributes).filter((key) => !said.includes(key))
  return rest.map((key) => `${plain(key)}=${of(span, key) ?? ""}`).join(" ")
}

const outcomeOf = ({ error, status }: TraceSpan): string => {
  switch (status) {
    case "ok":
      return ""
    case "error":
      return `✗ ${plain(error ?? "error")}`
    case "interrupted":
      return "✗ interrupted"
    case "cut":
      return "✗ the process ended in it"
    case "running":
      return "… still running"
  }
}

interface Line {
  readonly label: string
  readonly span: TraceSpan
}

/** Parents before their children, those oldest first. A span whose parent is elsewhere begins a tree. */
const treeOf = (spans: ReadonlyArray<TraceSpan>): ReadonlyArray<Line> => {
  const known = new Set(spans.map(({ spanId }) => spanId))
  const children = new Map<string | undefined, Array<TraceSpan>>()
  for (const span of spans) {
    const parent = span.parentId !== undefined && known.has(span.parentId) ? span.parentId : undefined
    children.set(parent, [...(children.get(parent) ?? []), span])
  }
  const walk = (parent: string | undefined, indent: string): ReadonlyArray<Line> => {
    const own = children.get(parent) ?? []
    // Taken once, so that spans that name each other as their parents end.
    children.delete(parent)
    return own.flatMap((span, index) => {
      const isLast = index === own.length - 1
      const isRoot = parent === undefined
      return [
        { label: `${indent}${isRoot ? "" : isLast ? "└─ " : "├─ "}${labelOf(span)}`, span },
        ...walk(span.spanId, `${indent}${isRoot ? "" : isLast ? "   " : "│  "}`)
      ]
    })
  }
  return walk(undefined, "")
}

const bar = (from: number, until: number, total: number): string => {
  const at = (value: number) => Math.round((Math.min(Math.max(value, 0), total) / total) * WIDTH)
  const start = Math.min(at(from), WIDTH - 1)
  const length = Math.max(1, at(until) - start)
  return `${" ".repeat(start)}${"█".repeat(length)}`.padEnd(WIDTH)
}

const pad = (text: string, width: number) => text + " ".repeat(Math.max(0, width - displayWidth(text)))

export const waterfall = (trace: Trace): string => {
  const { foldedInto, runId, sessionKey, spans, traceId } = trace
  const start = Math.min(...spans.map(({ startedAt }) => startedAt))
  const endOf = (span: TraceSpan) => span.startedAt + (span.durationMs ?? 0)
  const total = Math.max(1e-3, Math.max(...spans.map(endOf)) - start)
  const at = Option.match(DateTime.make(start), { onNone: () => "", onSome: DateTime.formatIso })
  const rows = treeOf(spans).map(({ label, span }) => ({
    label,
    began: `+${millis(span.startedAt - start)}`,
    took: span.durationMs === undefined ? "" : millis(span.durationMs),
    bar: bar(span.startedAt - start, endOf(span) - start, total),
    rest: [outcomeOf(span), detailsOf(span)].filter((text) => text !== "").join("  ")
  }))
  const widest = (pick: (row: (typeof rows)[number]) => string) =>
    Math.max(...rows.map((row) => displayWidth(pick(row))))
  const labels = widest(({ label }) => label)
  const began = widest((row) => row.began)
  const took = widest((row) => row.took)
  return [
    `Trace ${traceId}${runId === undefined ? "" : `, run ${plain(runId)}`}${sessionKey === undefined ? "" : ` in ${plain(sessionKey)}`}`,
    `${at}, ${millis(total)} from the first step to the end of the last`,
    ...(foldedInto === undefined
      ? []
      : [`Another turn answered it: \`openclaw trace ${plain(foldedInto)}\` shows that one.`]),
    "",
    ...rows.map((row) =>
      `${pad(row.label, labels)}  ${row.began.padStart(began)}  ${row.took.padStart(took)}  │${row.bar}│  ${row.rest}`.trimEnd()
    )
  ].join("\n")
}
