/**
 * What a node answered, in words.
 */
import * as Predicate from "effect/Predicate"
import * as Schema from "effect/Schema"
import type { Facet } from "./intent.ts"

/** The `nodes` tool's answer to `invoke` and `run`. */
export const decodeAnswer = Schema.decodeUnknownOption(
  Schema.fromJsonString(
    Schema.Struct({ node: Schema.String, command: Schema.String, result: Schema.optional(Schema.Unknown) })
  )
)

const decodeRun = Schema.decodeUnknownOption(
  Schema.Struct({
    exitCode: Schema.optional(Schema.NullOr(Schema.Finite)),
    timedOut: Schema.optional(Schema.Boolean),
    stdout: Schema.optional(Schema.NullOr(Schema.String)),
    stderr: Schema.optional(Schema.NullOr(Schema.String)),
    error: Schema.optional(Schema.NullOr(Schema.String))
  })
)

const decodeWhich = Schema.decodeUnknownOption(
  Schema.Struct({ bins: Schema.Record(Schema.String, Schema.NullOr(Schema.String)) })
)

const duration = (seconds: number): string => {
  const whole = Math.floor(seconds)
  const parts = [
    [Math.floor(whole / 86_400), "d"],
    [Math.floor(whole / 3600) % 24, "h"],
    [Math.floor(whole / 60) % 60, "min"]
  ] as const
  const said = parts.filter(([amount]) => amount > 0).map(([amount, unit]) => `${amount} ${unit}`)
  return said.length === 0 ? `${whole} s` : said.join(" ")
}

const bytes = (amount: number): string => {
  const units = ["B", "KB", "MB", "GB", "TB"]
  const power = Math.min(units.length - 1, amount < 1 ? 0 : Math.floor(Math.log(amount) / Math.log(1024)))
  return `${Number((amount / 1024 ** power).toFixed(1))} ${units[power]}`
}

interface Fact {
  readonly path: string
  readonly label: string
  readonly value: string
}

const label = (path: string): string =>
  path
    .replace(/(Bytes|Seconds|Ms|Percent)$/, "")
    .replace(/\./g, " ")
    .replace(/([a-z])([A-Z])/g, "$1 $2")
    .toLowerCase()

const valueOf = (path: string, value: unknown): string | undefined => {
  if (typeof value === "number" && Number.isFinite(value)) {
    if (/bytes$/i.test(path)) return bytes(value)
    if (/uptime(seconds|sec)?$/i.test(path)) return duration(value)
    if (/uptime.*ms$/i.test(path)) return duration(value / 1000)
    if (/battery.*level$/i.test(path) && value >= 0 && value <= 1) return `${Math.round(value * 100)}%`
    if (/percent$/i.test(path)) return `${Number(value.toFixed(1))}%`
    return String(Number(value.toFixed(2)))
  }
  if (typeof value === "string" && value !== "" && value.length <= 200) return value
  if (typeof value === "boolean") return value ? "yes" : "no"
  return undefined
}

const factsOf = (payload: unknown, path = "", depth = 0): ReadonlyArray<Fact> => {
  if (Array.isArray(payload)) {
    const values = payload.map((item) => valueOf(path, item))
    return values.length > 0 && values.every(Predicate.isNotUndefined)
      ? [{ path, label: label(path), value: values.join(" ") }]
      : []
  }
  if (Predicate.isObject(payload)) {
    if (depth > 4) return []
    return Object.entries(payload).flatMap(([key, value]) =>
      factsOf(value, path === "" ? key : `${path}.${key}`, depth + 1)
    )
  }
  const value = valueOf(path, payload)
  return value === undefined || path === "" ? [] : [{ path, label: label(path), value }]
}

const about: Readonly<Record<Facet, RegExp>> = {
  uptime: /uptime|boot/i,
  battery: /batter|charg|lowpower/i,
  disk: /disk|storage/i,
  memory: /mem(ory)?|ram/i,
  load: /load|cpu/i,
  network: /network|wifi|address/i,
  thermal: /therm|temp/i,
  system: /os|system|platform|version|model|arch|host|release|kernel|name/i,
  status: /./
}

const sentence = (facts: ReadonlyArray<Fact>): string =>
  facts
    .slice(0, 14)
    .map((fact) => `${fact.label} ${fact.value}`)
    .join(", ")

/** The facts of several answers of one node that the question was about. */
export const describeState = (node: string, facets: ReadonlyArray<Facet>, payloads: ReadonlyArray<unknown>): string => {
  const facts = payloads.flatMap((payload) => factsOf(payload))
  if (facts.length === 0) return `${node} answered, but with nothing that I can read out.`
  const asked = facts.filter((fact) => facets.some((facet) => about[facet].test(fact.path)))
  return asked.length === 0
    ? `${node} does not report ${facets.join(" or ")}. It reports: ${sentence(facts)}.`
    : `${node}: ${sentence(asked)}.`
}

const block = (text: string): string => `\n\`\`\`\n${text}\n\`\`\``

/** The end of a command: its output, and its exit code unless that is 0. */
export const describeRun = (node: string, command: string, payload: unknown): string => {
  const decoded = decodeRun(payload)
  if (decoded._tag === "None") return describeState(node, ["status"], [payload])
  const { error, exitCode, stderr, stdout, timedOut } = decoded.value
  const output = [stdout, stderr]
    .map((text) => (text ?? "").trimEnd())
    .filter((text) => text !== "")
    .join("\n")
  const end =
    timedOut === true
      ? "ran out of time"
      : exitCode === 0
        ? "finished"
        : `ended with exit code ${exitCode ?? "unknown"}${error ? ` (${error})` : ""}`
  return `\`${command}\` on ${node} ${end}${output === "" ? " without output." : `:${block(output)}`}`
}

/** Where a program is. */
export const describeWhich = (node: string, program: string, payload: unknown): string => {
  const decoded = decodeWhich(payload)
  const path =
    decoded._tag === "Some" && Object.hasOwn(decoded.value.bins, program) ? decoded.value.bins[program] : undefined
  return path ? `${program} on ${node} is ${path}.` : `${program} was not found on ${node}.`
}
