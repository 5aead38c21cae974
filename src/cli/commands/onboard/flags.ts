/**
 * The flags of `openclaw onboard`, and how a secret among them is read.
 */
import * as Effect from "effect/Effect"
import * as FileSystem from "effect/FileSystem"
import type { PlatformError } from "effect/PlatformError"
import * as Redacted from "effect/Redacted"
import { Redactor } from "../../../layers/logging/Redactor.ts"
import { Environment } from "../../Environment.ts"
import { CommandFailed } from "../../errors.ts"
import { plain } from "../../output.ts"
import { MOST_BYTES, readStdin } from "../../stdin.ts"
import type { AuthChoice } from "./choices.ts"
import { inEnvironment, type Secret } from "./Draft.ts"

export interface OnboardFlags {
  readonly nonInteractive: boolean
  readonly authChoice: AuthChoice | undefined
  readonly model: string | undefined
  readonly anthropicApiKey: string | undefined
  readonly openaiApiKey: string | undefined
  readonly openrouterApiKey: string | undefined
  readonly customApiKey: string | undefined
  readonly apiKeyFile: string | undefined
  readonly secretInputMode: "plaintext" | "ref" | undefined
  readonly customBaseUrl: string | undefined
  readonly customModelId: string | undefined
  readonly customProviderId: string | undefined
  readonly customCompatibility: "openai" | "openai-responses" | "anthropic" | undefined
  readonly telegramToken: string | undefined
  readonly telegramTokenFile: string | undefined
  readonly telegramAllowFrom: string | undefined
  readonly telegramApiRoot: string | undefined
  readonly skipChannels: boolean
  readonly gatewayPort: number | undefined
  readonly gatewayBind: "loopback" | "lan" | "tailnet" | undefined
  readonly gatewayAuth: "token" | "password" | undefined
  readonly gatewayToken: string | undefined
  readonly gatewayTokenRefEnv: string | undefined
  readonly gatewayPassword: string | undefined
  readonly installDaemon: boolean
  readonly skipDaemon: boolean
  readonly skipHealth: boolean
  readonly skipChecks: boolean
}

export interface Reader {
  /** The value of a secret's flag: `-` takes the next line of standard input. */
  readonly flag: (
    name: string,
    value: string | undefined
  ) => Effect.Effect<Redacted.Redacted | undefined, CommandFailed, Redactor>
  readonly file: (
    name: string,
    path: string | undefined
  ) => Effect.Effect<Redacted.Redacted | undefined, CommandFailed, FileSystem.FileSystem | Redactor>
}

/** Known to every log and message from here on, so that none repeats it. */
export const secretOf = (value: string) =>
  Effect.as(
    Effect.flatMap(Redactor, ({ add }) => add([value])),
    Redacted.make(value)
  )

export const makeReader = Effect.gen(function* () {
  const stdin = yield* Effect.cached(
    Effect.map(readStdin, (text) =>
      text
        .split("\n")
        .map((each) => each.trim())
        .filter((each) => each !== "")
    )
  )
  let taken = 0
  const { flag, file }: Reader = {
    flag: Effect.fnUntraced(function* (name, value) {
      if (value === undefined) return undefined
      if (value.trim() === "") {
        return yield* new CommandFailed({
          message: `--${name} is empty: the variable that it was to come from may have no value here.\nFix: give the secret, or leave the flag out.`
        })
      }
      if (value !== "-") return yield* secretOf(value.trim())
      const next = (yield* Effect.provide(stdin, context))[taken++]
      if (next !== undefined) return yield* secretOf(next)
      return yield* new CommandFailed({
        message: `--${name} - takes a line of standard input, and there is none for it.\nFix: give one line for each secret, in the order model, Telegram, Gateway.`
      })
    }),
    file: Effect.fnUntraced(function* (name, path) {
      if (path === undefined) return undefined
      const fs = yield* FileSystem.FileSystem
      const unfit = (why: string) =>
        new CommandFailed({
          message: `--${name} ${plain(path)} ${why}.\nFix: give the path of a file that holds the secret and nothing else.`
        })
      const unreadable = ({ reason }: PlatformError) => unfit(`cannot be read: ${reason._tag}`)
      // A pipe that nobody writes to is waited for without an end, and a device has none.
      const { size, type } = yield* Effect.mapError(fs.stat(path), unreadable)
      if (type !== "File") return yield* unfit("is no file")
      if (size > MOST_BYTES) return yield* unfit("is longer than any secret")
      const text = (yield* Effect.mapError(fs.readFileString(path), unreadable)).trim()
      return text === "" ? yield* unfit("is empty") : yield* secretOf(text)
    })
  }
  const context = yield* Effect.context<Effect.Services<typeof stdin>>()
  return { flag, file } satisfies Reader
})

/** The value of a variable of this shell, and the reference to it that a file may hold. */
export const fromVariable = Effect.fnUntraced(function* (name: string) {
  const { variables } = yield* Environment
  const value = variables[name]?.trim() ?? ""
  if (value === "") return undefined
  return { value: yield* secretOf(value), stored: inEnvironment(name) } satisfies Secret
})

export const inFile = (value: Redacted.Redacted): Secret => ({ value, stored: Redacted.value(value) })
