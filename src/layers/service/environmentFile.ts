/**
 * A file of variables that systemd and Node read alike. Pure.
 */
import { parseEnv } from "node:util"
import * as Result from "effect/Result"
import { ServiceDefinitionInvalid } from "../../services/ServiceManager.ts"

/** Within single quotes both take everything as it is; within double ones there must be nothing that either reads. */
const quoted = (value: string): string | undefined => {
  if (/[\p{Cc}]/u.test(value) || !value.isWellFormed()) return undefined
  if (!value.includes("'")) return `'${value}'`
  return /["\\$`]/.test(value) ? undefined : `"${value}"`
}

/** The message of a failure does not show the value. */
export const render = (variables: Readonly<Record<string, string>>): Result.Result<string, ServiceDefinitionInvalid> =>
  Result.gen(function* () {
    const lines: Array<string> = []
    for (const [name, value] of Object.entries(variables).sort(([a], [b]) => (a < b ? -1 : 1))) {
      const text = quoted(value)
      if (text === undefined) {
        return yield* Result.fail(
          new ServiceDefinitionInvalid({
            message: `${name} cannot be kept for the service: it has a line break in it, or quotes of several kinds.\nFix: set the value in the configuration (\`openclaw config set\`), or unset ${name} for this command.`
          })
        )
      }
      lines.push(`${name}=${text}\n`)
    }
    return lines.join("")
  })

export const parse = (text: string): Readonly<Record<string, string>> =>
  Object.fromEntries(
    Object.entries(parseEnv(text)).flatMap(([name, value]) => (value === undefined ? [] : [[name, value]]))
  )
