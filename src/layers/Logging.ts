/**
 * Logging: JSON lines in `<state>/logs/gateway.log` and lines for people on standard error, both without secrets.
 *
 * Every entry passes the `Redactor` before it is written anywhere. The file gets its lines in batches (a `kill -9` may cost
 * the last quarter of a second); standard error gets each line at once.
 */
import * as Effect from "effect/Effect"
import * as FileSystem from "effect/FileSystem"
import * as Layer from "effect/Layer"
import * as Logger from "effect/Logger"
import * as LogLevel from "effect/LogLevel"
import { CurrentLogAnnotations, CurrentLogSpans, MinimumLogLevel } from "effect/References"
import type { OpenClawConfig } from "../services/ConfigSchema.ts"
import { CurrentFlow } from "../services/Tracing.ts"
import { makeAppend } from "./logging/file.ts"
import type { LogRecord } from "./logging/record.ts"
import { toJsonLine, toPretty, toRecord } from "./logging/record.ts"
import { Redactor } from "./logging/Redactor.ts"

/** Where the file stands inside the state directory. */
export const LOG_FILE = ["logs", "gateway.log"] as const

/** The levels of `logging.level`, in OpenClaw's words. */
export type ConfiguredLevel = NonNullable<NonNullable<OpenClawConfig["logging"]>["level"]>

const levels: Readonly<Record<ConfiguredLevel, LogLevel.LogLevel>> = {
  silent: "None",
  fatal: "Fatal",
  error: "Error",
  warn: "Warn",
  info: "Info",
  debug: "Debug",
  trace: "Trace"
}

export interface LoggingOptions {
  /** Absolute path of the log file; without it there is none. Its folder is made. */
  readonly file?: string | undefined
  /** Least level of the file. */
  readonly level?: ConfiguredLevel | undefined
  /** The file becomes `<file>.1` beyond this many bytes; 10 MB when left out. */
  readonly maxBytes?: number | undefined
  /** Standard error, or whatever takes its place; without it nothing is written there. */
  readonly stderr?:
    | {
        readonly write: (text: string) => void
        /** Least level; the file's when left out. */
        readonly level?: ConfiguredLevel | undefined
        readonly style?: "pretty" | "json" | undefined
        readonly color?: boolean | undefined
      }
    | undefined
}

/** What the `logging` section says, as options. `info` and `pretty` are the defaults. */
export const fromConfig = (config: OpenClawConfig) => {
  const level = config.logging?.level ?? "info"
  const style: "pretty" | "json" = config.logging?.consoleStyle === "json" ? "json" : "pretty"
  return { level, consoleLevel: config.logging?.consoleLevel ?? level, style }
}

/** Replaces the loggers of everything above it and sets the least level. */
export const layer = (options: LoggingOptions): Layer.Layer<never, never, FileSystem.FileSystem | Redactor> => {
  const fileLevel = options.file === undefined ? "None" : levels[options.level ?? "info"]
  const { stderr } = options
  const stderrLevel = stderr === undefined ? "None" : levels[stderr.level ?? options.level ?? "info"]
  const least = LogLevel.isLessThan(fileLevel, stderrLevel) ? fileLevel : stderrLevel

  const loggers = Logger.layer([
    Effect.gen(function* () {
      const { redact } = yield* Redactor
      const fs = yield* FileSystem.FileSystem
      const write = (record: LogRecord) =>
        stderr?.write(stderr.style === "json" ? toJsonLine(record) : toPretty(record, stderr.color === true))
      const append =
        options.file === undefined
          ? () => Effect.void
          : makeAppend({
              fs,
              file: options.file,
              maxBytes: options.maxBytes ?? 10_000_000,
              onFailure: (reason) => stderr?.write(`the log file is not written: ${redact(reason)}\n`)
            })
      const both = Logger.make((entry): string => {
        const record = toRecord(redact, {
          date: entry.date,
          level: entry.logLevel,
          message: entry.message,
          cause: entry.cause,
          annotations: entry.fiber.getRef(CurrentLogAnnotations),
          spans: entry.fiber.getRef(CurrentLogSpans),
          flow: entry.fiber.getRef(CurrentFlow)
        })
        if (LogLevel.isGreaterThanOrEqualTo(entry.logLevel, stderrLevel)) write(record)
        return LogLevel.isGreaterThanOrEqualTo(entry.logLevel, fileLevel) ? toJsonLine(record) : ""
      })
      return yield* Logger.batched(both, {
        window: "250 millis",
        flush: (lines) => {
          const kept = lines.filter((line) => line !== "")
          return kept.length === 0 ? Effect.void : append(kept)
        }
      })
    })
  ])
  return Layer.merge(loggers, Layer.succeed(MinimumLogLevel, least))
}
