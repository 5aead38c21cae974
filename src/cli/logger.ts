/**
 * Where a command's log goes: stderr, always, so that stdout holds nothing but the result. Secrets are taken out.
 */
import * as Cause from "effect/Cause"
import * as Effect from "effect/Effect"
import * as Logger from "effect/Logger"
import { Redactor } from "../layers/logging/Redactor.ts"
import { lines } from "./output.ts"

const words = (message: unknown): string =>
  (Array.isArray(message) ? message : [message])
    .map((part: unknown) => (typeof part === "string" ? part : JSON.stringify(part)))
    .join(" ")

const withCause = (text: string, cause: Cause.Cause<unknown>): string =>
  cause.reasons.length === 0 ? text : `${text}\n${Cause.pretty(cause)}`

const capital = (text: string): string => text.charAt(0).toUpperCase() + text.slice(1)

const brief = Logger.make(({ cause, logLevel, message }) =>
  withCause(`${logLevel === "Warn" ? "Warning" : logLevel}: ${capital(words(message))}`, cause)
)

const dated = Logger.make(({ cause, date, logLevel, message }) =>
  withCause(`${date.toISOString()} ${logLevel.toLowerCase().padEnd(5)} ${words(message)}`, cause)
)

const layerOf = (logger: Logger.Logger<unknown, string>) =>
  Logger.layer([
    Effect.map(Redactor, ({ redact }) => Logger.withConsoleError(Logger.map(logger, (text) => redact(lines(text)))))
  ])

/** For a command that answers and ends. */
export const layerBrief = layerOf(brief)

/** For a command that runs until it is stopped: each line says when. */
export const layerDated = layerOf(dated)
