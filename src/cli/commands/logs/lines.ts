/**
 * A line of the log as people and programs read it: of this Gateway, of OpenClaw's, or any other text.
 */
import * as DateTime from "effect/DateTime"
import * as Option from "effect/Option"
import * as Predicate from "effect/Predicate"
import * as Schema from "effect/Schema"
import { plain } from "../../output.ts"
import { levels } from "./levels.ts"

export interface LogLine {
  readonly time?: string
  readonly level?: string
  /** The part of the program that it comes from. */
  readonly subsystem?: string
  readonly traceId?: string
  readonly runId?: string
  readonly message: string
  /** The line itself. */
  readonly raw: string
}

const decodeObject = Schema.decodeUnknownOption(Schema.fromJsonString(Schema.Record(Schema.String, Schema.Unknown)))

const textAt = (value: unknown, key: string): string | undefined =>
  Predicate.hasProperty(value, key) && Predicate.isString(value[key]) && value[key] !== "" ? value[key] : undefined

/** OpenClaw's records have their words under numbers; the first may be an object that names a part of the program. */
const numbered = (record: Readonly<Record<string, unknown>>): string =>
  Object.entries(record)
    .filter(([key]) => /^\d+$/.test(key))
    .map(([, value]) => (typeof value === "string" ? value : JSON.stringify(value)))
    .map((text) => {
      const part = Option.getOrUndefined(decodeObject(text))
      return textAt(part, "subsystem") ?? text
    })
    .join(" ")

export const parseLine = (raw: string): LogLine =>
  Option.match(decodeObject(raw), {
    onNone: () => ({ message: raw, raw }),
    onSome: (record): LogLine => {
      const meta = record["_meta"]
      const time = textAt(record, "time") ?? textAt(meta, "date")
      const level = textAt(record, "level") ?? textAt(meta, "logLevelName")?.toLowerCase()
      const own = textAt(record, "level") === undefined ? "" : (textAt(record, "message") ?? "")
      const cause = textAt(record, "cause")
      const subsystem = textAt(record, "subsystem")
      const traceId = textAt(record, "traceId")
      const runId = textAt(record, "runId")
      const said = own === "" ? numbered(record) || (textAt(record, "message") ?? raw) : own
      return {
        ...(time === undefined ? undefined : { time }),
        ...(level === undefined ? undefined : { level }),
        ...(subsystem === undefined ? undefined : { subsystem }),
        ...(traceId === undefined ? undefined : { traceId }),
        ...(runId === undefined ? undefined : { runId }),
        message: cause === undefined ? said : `${said}\n${cause}`,
        raw
      }
    }
  })

const colors: Readonly<Record<string, number>> = { fatal: 35, error: 31, warn: 33, info: 32, debug: 36, trace: 90 }

/** What a line has to be to be shown; all of it. */
export interface Filter {
  /** This one or a graver one. A line without a level is shown. */
  readonly level?: (typeof levels)[number] | undefined
  readonly subsystem?: string | undefined
  /** Part of it, in whatever case. */
  readonly grep?: string | undefined
  /** A trace's id or a run's. */
  readonly trace?: string | undefined
}

const isGrave = (level: string | undefined, least: Filter["level"]): boolean => {
  const rank = levels.findIndex((each) => each === level)
  return least === undefined || rank === -1 || rank >= levels.indexOf(least)
}

export const isShown = (line: LogLine, { grep, level, subsystem, trace }: Filter): boolean =>
  isGrave(line.level, level) &&
  (subsystem === undefined || line.subsystem === subsystem) &&
  (trace === undefined || line.traceId === trace || line.runId === trace) &&
  (grep === undefined || line.raw.toLowerCase().includes(grep.toLowerCase()))

export interface Style {
  readonly color: boolean
  readonly utc: boolean
}

/** `2026-01-02T03:04:05.678+01:00`. A time that is none is shown as it is. */
const timeText = (time: string, utc: boolean): string =>
  Option.match(DateTime.make(time), {
    onNone: () => time,
    onSome: (at) =>
      utc ? DateTime.formatIso(at) : DateTime.formatIsoOffset(DateTime.setZone(at, DateTime.zoneMakeLocal()))
  })

/** One line, and the further lines of a cause behind it. */
export const showLine = ({ level, message, raw, subsystem, time }: LogLine, { color, utc }: Style): string => {
  if (time === undefined && level === undefined) return plain(raw)
  const paint = (code: number, text: string) => (color ? `\u001B[${code}m${text}\u001B[0m` : text)
  const [first = "", ...rest] = message.trimEnd().split("\n")
  return [
    [
      ...(time === undefined ? [] : [paint(90, plain(timeText(time, utc)))]),
      ...(level === undefined ? [] : [paint(colors[level] ?? 0, plain(level))]),
      ...(subsystem === undefined ? [] : [paint(90, `[${plain(subsystem)}]`)]),
      plain(first)
    ].join(" "),
    ...rest.map((line) => `    ${plain(line)}`)
  ].join("\n")
}
