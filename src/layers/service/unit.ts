/**
 * A systemd unit as text, and what can be read from one. Pure.
 */
import * as Result from "effect/Result"
import { type ServiceDefinition, ServiceDefinitionInvalid } from "../../services/ServiceManager.ts"
import { MARK } from "./names.ts"

/** Seconds that a Gateway has to finish what it does. Its own drain takes no more than half of it. */
const STOP_SECONDS = 30

const control = /\p{Cc}/u

/** No line of a unit can hold one, however it is quoted; and a unit is UTF-8. */
const usable = (what: string, value: string): Result.Result<string, ServiceDefinitionInvalid> =>
  control.test(value) || !value.isWellFormed()
    ? Result.fail(
        new ServiceDefinitionInvalid({
          message: `${what} has a control character in it: ${JSON.stringify(value.slice(0, 200))}.\nFix: move or rename what it names.`
        })
      )
    : Result.succeed(value)

/** Without quotes the ends of a line mean something. */
const bare = (what: string, value: string): Result.Result<string, ServiceDefinitionInvalid> =>
  Result.flatMap(usable(what, value), (text) =>
    /^\s|[\s\\]$/.test(text)
      ? Result.fail(
          new ServiceDefinitionInvalid({
            message: `${what} begins or ends with a character that systemd drops: ${JSON.stringify(text.slice(0, 200))}.\nFix: move or rename what it names.`
          })
        )
      : Result.succeed(text)
  )

/** A path or a text in which systemd only looks for specifiers. */
const plain = (value: string): string => value.replaceAll("%", "%%")

const quoted = (value: string): string => `"${plain(value).replace(/["\\]/g, String.raw`\$&`)}"`

/** Version 254 waits longer from one try to the next; those before it warn of settings that they do not know. */
const backoff = (version: number | undefined): ReadonlyArray<string> =>
  version !== undefined && version >= 254 ? ["RestartSteps=6", "RestartMaxDelaySec=1min"] : []

/** A node runs its owner's commands, `sudo` among them; a Gateway runs nothing that needs more than it has. */
const hardening: Readonly<Record<ServiceDefinition["name"]["kind"], ReadonlyArray<string>>> = {
  gateway: ["NoNewPrivileges=yes", "LockPersonality=yes", "RestrictRealtime=yes", "RestrictSUIDSGID=yes", "UMask=0077"],
  node: []
}

/** The unit for a systemd of this version. */
export const render = (
  definition: ServiceDefinition,
  version: number | undefined
): Result.Result<string, ServiceDefinitionInvalid> =>
  Result.gen(function* () {
    const { environmentFile, name } = definition
    const description = yield* bare("the description", definition.description)
    const program = yield* usable("the path of the program", definition.command[0])
    const command: Array<string> = []
    for (const arg of definition.command) command.push(quoted(yield* usable(`an argument of ${program}`, arg)))
    const directory = yield* bare("the working directory", definition.workingDirectory)
    const file = yield* bare("the path of the environment file", environmentFile)
    const variables: Array<string> = []
    for (const [key, value] of Object.entries(definition.environment)) {
      variables.push(`Environment=${quoted(`${key}=${yield* usable(`the variable ${key}`, value)}`)}`)
    }
    return [
      `# ${MARK}. \`openclaw ${name.kind} install --force\` writes it again; a drop-in`,
      "# (`systemctl --user edit`) is not touched.",
      "[Unit]",
      `Description=${plain(description)}`,
      "Wants=network-online.target",
      "After=network-online.target",
      // It is tried for ever: whatever keeps it from running may end.
      "StartLimitIntervalSec=0",
      "",
      "[Service]",
      "Type=exec",
      // The colon has systemd put no variable into it.
      `ExecStart=:${command.join(" ")}`,
      `WorkingDirectory=${plain(directory)}`,
      ...variables,
      `EnvironmentFile=-${plain(file)}`,
      "Restart=always",
      "RestartSec=2s",
      ...backoff(version),
      // A configuration that is wrong stays so until somebody corrects it.
      "RestartPreventExitStatus=78",
      "SuccessExitStatus=143",
      "KillMode=mixed",
      `TimeoutStopSec=${STOP_SECONDS}s`,
      "OOMPolicy=continue",
      ...hardening[name.kind],
      "",
      "[Install]",
      "WantedBy=default.target",
      ""
    ].join("\n")
  })

/** The words of a line: quotes group, a backslash takes the next character as it is. */
const words = (line: string): ReadonlyArray<string> => {
  const found: Array<string> = []
  let word: string | undefined
  let quote: string | undefined
  for (let at = 0; at < line.length; at += 1) {
    const char = line.charAt(at)
    if (char === "\\" && at + 1 < line.length) word = (word ?? "") + line.charAt((at += 1))
    else if (quote === undefined && (char === '"' || char === "'")) {
      quote = char
      word ??= ""
    } else if (char === quote) quote = undefined
    else if (quote === undefined && /\s/.test(char)) {
      if (word !== undefined) found.push(word)
      word = undefined
    } else word = (word ?? "") + char
  }
  return word === undefined ? found : [...found, word]
}

const settings = (text: string, key: string): ReadonlyArray<string> =>
  text.split("\n").flatMap((line) => (line.startsWith(`${key}=`) ? [line.slice(key.length + 1)] : []))

const literal = (word: string): string => word.replaceAll("%%", "%")

/** The command line of a unit; empty when it has none. */
export const commandOf = (text: string): ReadonlyArray<string> =>
  words((settings(text, "ExecStart").at(-1) ?? "").replace(/^:/, "")).map(literal)

/** The variables of a unit, without those of its files. */
export const environmentOf = (text: string): Readonly<Record<string, string>> =>
  Object.fromEntries(
    settings(text, "Environment")
      .flatMap(words)
      .flatMap((word) => {
        const at = word.indexOf("=")
        return at <= 0 ? [] : [[word.slice(0, at), literal(word.slice(at + 1))]]
      })
  )
