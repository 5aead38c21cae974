/**
 * What is wrong with a written configuration, in the words of OpenClaw's errors.
 */
import * as Effect from "effect/Effect"
import JSON5 from "json5"
import { GatewayError, invalidRequest, unavailable } from "../../../protocol/GatewayError.ts"
import type { ConfigIssue } from "../../../protocol/methods/config.ts"
import type { ConfigChanged, ConfigInvalid, ConfigProblem, ConfigUnreadable } from "../../../services/Config.ts"
import { reservedKeyIn } from "../../config/wire/mergePatch.ts"
import { isTooDeep } from "../../config/source.ts"

export const asIssue = ({ expected, path, value }: ConfigProblem): ConfigIssue => ({
  path,
  message: `got ${value}, expected ${expected}`
})

/** Problems that are told in one message; all of them are in the details. */
const TOLD = 5

export const invalidConfig = (problems: ReadonlyArray<ConfigProblem>, then = ""): GatewayError => {
  const issues = problems.map(asIssue)
  const told = issues.slice(0, TOLD).map(({ message, path }) => `${path || "<root>"}: ${message}`)
  const more = issues.length > TOLD ? `; and ${issues.length - TOLD} more` : ""
  return invalidRequest(`invalid config: ${told.join("; ")}${more}${then}`, { details: { issues } })
}

export const editFailed = (error: GatewayError | ConfigChanged | ConfigInvalid | ConfigUnreadable): GatewayError => {
  switch (error._tag) {
    case "GatewayError":
      return error
    case "ConfigInvalid":
      return invalidConfig(error.problems)
    case "ConfigChanged":
      return invalidRequest("config changed since last load; re-run config.get and retry")
    case "ConfigUnreadable":
      return unavailable(error.message)
  }
}

const refused = (value: string, expected: string, path = "") => Effect.fail(invalidConfig([{ path, value, expected }]))

/** The value of a written text, whose length the frame bounds; nothing in it is believed yet. */
export const parseWritten = Effect.fnUntraced(function* (raw: string) {
  const given = yield* Effect.try({
    try: (): unknown => JSON5.parse(raw),
    // Names the place, and at most one character of the text.
    catch: (error) => invalidRequest(`SyntaxError: ${error instanceof Error ? error.message : "not JSON5"}`)
  })
  if (isTooDeep(given)) return yield* refused("deeper nesting", "less nesting")
  const reserved = reservedKeyIn(given)
  return reserved === undefined ? given : yield* refused("a key that no configuration has", "no such key", reserved)
})
