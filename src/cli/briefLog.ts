/**
 * Where the log of a command that answers and ends goes: stderr, always, so that stdout holds nothing but the result. Secrets are taken
 * out.
 */
import * as Effect from "effect/Effect"
import * as Logger from "effect/Logger"
import { causeText } from "../layers/logging/causeText.ts"
import { Redactor } from "../layers/logging/Redactor.ts"
import { lines } from "./output.ts"

const words = (message: unknown): string =>
  (Array.isArray(message) ? message : [message])
    .map((part: unknown) => (typeof part === "string" ? part : JSON.stringify(part)))
    .join(" ")

const capital = (text: string): string => text.charAt(0).toUpperCase() + text.slice(1)

const brief = Logger.make(({ cause, logLevel, message }) => {
  const text = `${logLevel === "Warn" ? "Warning" : logLevel}: ${capital(words(message))}`
  return cause.reasons.length === 0 ? text : `${text}\n${causeText(cause)}`
})

/** For a command that answers and ends: a line per warning. */
export const layerBrief = Logger.layer([
  Effect.map(Redactor, ({ redact }) => Logger.withConsoleError(Logger.map(brief, (text) => redact(lines(text)))))
])
