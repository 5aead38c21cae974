/**
 * A launchd agent as a property list, and what can be read from one. Pure.
 */
import * as Result from "effect/Result"
import { type ServiceDefinition, ServiceDefinitionInvalid } from "../../services/ServiceManager.ts"
import { labelOf, MARK } from "./names.ts"

const STOP_SECONDS = 30
/** launchd waits ten seconds from one start to the next in any case. */
const THROTTLE_SECONDS = 10
const UMASK = 0o077

const entities: Readonly<Record<string, string>> = {
  "&": "&amp;",
  "<": "&lt;",
  ">": "&gt;",
  '"': "&quot;",
  "'": "&apos;"
}
const characters = new Map(Object.entries(entities).map(([char, entity]) => [entity, char]))

// What XML 1.0 has no way to write, and what would not be one line of a path.
const impossible = /[\p{Cc}\uFFFE\uFFFF]/u

const text = (value: string): Result.Result<string, ServiceDefinitionInvalid> =>
  impossible.test(value) || !value.isWellFormed()
    ? Result.fail(
        new ServiceDefinitionInvalid({
          message: `a property list cannot hold ${JSON.stringify(value.slice(0, 200))}.\nFix: move or rename what it names.`
        })
      )
    : Result.succeed(`<string>${value.replace(/[&<>"']/g, (char) => entities[char] ?? char)}</string>`)

const array = (values: ReadonlyArray<string>) =>
  Result.map(
    Result.all(values.map(text)),
    (items) => `<array>\n${items.map((item) => `    ${item}\n`).join("")}  </array>`
  )

const dictionary = (values: Readonly<Record<string, string>>) =>
  Result.gen(function* () {
    const lines: Array<string> = []
    for (const [key, value] of Object.entries(values)) lines.push(`    <key>${key}</key>\n    ${yield* text(value)}\n`)
    return `<dict>\n${lines.join("")}  </dict>`
  })

/** Node reads the file of variables, because launchd reads none. */
const withFile = ({ command: [program, ...args], environmentFile }: ServiceDefinition): ReadonlyArray<string> => [
  program,
  `--env-file-if-exists=${environmentFile}`,
  ...args
]

export const render = (definition: ServiceDefinition): Result.Result<string, ServiceDefinitionInvalid> =>
  Result.gen(function* () {
    const entries: ReadonlyArray<readonly [key: string, value: string]> = [
      ["Label", yield* text(labelOf(definition.name))],
      ["ProgramArguments", yield* array(withFile(definition))],
      ["WorkingDirectory", yield* text(definition.workingDirectory)],
      ["EnvironmentVariables", yield* dictionary(definition.environment)],
      ["RunAtLoad", "<true/>"],
      ["KeepAlive", "<true/>"],
      ["ThrottleInterval", `<integer>${THROTTLE_SECONDS}</integer>`],
      ["ExitTimeOut", `<integer>${STOP_SECONDS}</integer>`],
      ["Umask", `<integer>${UMASK}</integer>`],
      ["StandardOutPath", yield* text(definition.outputFile)],
      ["StandardErrorPath", yield* text(definition.outputFile)]
    ]
    return [
      '<?xml version="1.0" encoding="UTF-8"?>',
      '<!DOCTYPE plist PUBLIC "-//Apple//DTD PLIST 1.0//EN" "http://www.apple.com/DTDs/PropertyList-1.0.dtd">',
      `<!-- ${MARK}. \`openclaw ${definition.name.kind} install\` with the flag force writes it again. -->`,
      '<plist version="1.0">',
      "<dict>",
      ...entries.map(([key, value]) => `  <key>${key}</key>\n  ${value}`),
      "</dict>",
      "</plist>",
      ""
    ].join("\n")
  })

const unescape = (value: string): string => value.replace(/&[a-z]+;/g, (entity) => characters.get(entity) ?? entity)

const valueAfter = (list: string, key: string, tag: string): string =>
  new RegExp(`<key>${key}</key>\\s*<${tag}>([\\s\\S]*?)</${tag}>`).exec(list)?.[1] ?? ""

/** The command line of an agent as `render` writes it, without the flag for the file of variables. */
export const commandOf = (list: string): ReadonlyArray<string> =>
  [...valueAfter(list, "ProgramArguments", "array").matchAll(/<string>([\s\S]*?)<\/string>/g)]
    .map(([, value]) => unescape(value ?? ""))
    .filter((arg) => !arg.startsWith("--env-file-if-exists="))

export const environmentOf = (list: string): Readonly<Record<string, string>> =>
  Object.fromEntries(
    [
      ...valueAfter(list, "EnvironmentVariables", "dict").matchAll(
        /<key>([\s\S]*?)<\/key>\s*<string>([\s\S]*?)<\/string>/g
      )
    ].map(([, key, value]) => [unescape(key ?? ""), unescape(value ?? "")])
  )
