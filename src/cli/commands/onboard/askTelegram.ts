/**
 * Step 2 on a terminal: the bot's token, who the bot is, who may write to it.
 */
import * as Console from "effect/Console"
import * as Effect from "effect/Effect"
import * as Redacted from "effect/Redacted"
import * as Result from "effect/Result"
import { type BotCheckFailed, tokenProblem } from "../../../layers/checks/telegram.ts"
import type { OpenClawConfig } from "../../../services/ConfigSchema.ts"
import { Back, choose, type Choice, followed, line, secret } from "../../asking.ts"
import { lines, plain } from "../../output.ts"
import { type Decided, type Secret, untouched } from "./Draft.ts"
import { fromVariable, inFile, secretOf } from "./flags.ts"
import { decided, idsIn, nameOf, type Policy, presentToken, TOKEN_VARIABLE, tryOut } from "./telegram.ts"

type Wanted = "keep" | "connect" | "skip"

const choices = (has: boolean): ReadonlyArray<Choice<Wanted>> =>
  has
    ? [
        { title: "Keep the bot that is connected", value: "keep" },
        { title: "Connect another bot", value: "connect" }
      ]
    : [
        { title: "Connect a bot", value: "connect", description: "it takes a minute, in Telegram itself" },
        { title: "Leave Telegram out", value: "skip" }
      ]

const askToken = Effect.gen(function* () {
  const inShell = yield* fromVariable(TOKEN_VARIABLE)
  const source = yield* inShell === undefined
    ? Effect.succeed("type" as const)
    : choose<"shell" | "type">("The bot's token", [
        { title: `${TOKEN_VARIABLE} of this shell`, value: "shell", description: "the file names the variable only" },
        { title: "Type one", value: "type", description: "kept in a file that only you can read" }
      ])
  if (source === "shell" && inShell !== undefined) return inShell
  yield* Console.log("Write /newbot to @BotFather in Telegram; it asks for a name, and shows the token at the end.")
  const typed = yield* secret("Bot token (shown as stars)", tokenProblem)
  return inFile(yield* secretOf(Redacted.value(typed)))
})

const afterFailure = Effect.fnUntraced(function* ({ kind, message }: BotCheckFailed) {
  yield* Console.error(lines(message))
  if (kind === "token") return "back"
  return yield* choose<"again" | "back" | "keep">("Telegram could not be asked", [
    { title: "Try once more", value: "again" },
    { title: "Give the token again", value: "back" },
    { title: "Keep it all the same", value: "keep" }
  ])
})

const identify = (token: Secret, apiRoot: string | undefined) =>
  Effect.gen(function* () {
    while (true) {
      const tried = yield* Effect.result(tryOut(token.value, apiRoot))
      if (Result.isSuccess(tried)) {
        const { name, webhookHost } = tried.success
        yield* Console.log(`This is ${nameOf(tried.success)}${name === undefined ? "" : ` (${plain(name)})`}.`)
        if (webhookHost !== undefined) {
          yield* Console.log(
            `Its messages are sent to ${plain(webhookHost)} now; the Gateway takes that back when it starts.`
          )
        }
        return tried.success
      }
      const wish = yield* afterFailure(tried.failure)
      if (wish === "keep") return undefined
      if (wish === "back") return yield* new Back({})
    }
  })

const askPolicy = (present: OpenClawConfig) =>
  followed(
    choose<"pairing" | "allowlist">("Who may write to it?", [
      { title: "Whoever I let in", value: "pairing", description: "a stranger gets a code, which you approve" },
      { title: "These ids only", value: "allowlist", description: "numbers of Telegram accounts" }
    ]),
    Effect.fnUntraced(function* (kind) {
      if (kind === "pairing") return { kind } satisfies Policy as Policy
      const text = yield* line({
        message: "Ids, separated by commas",
        initial: (present.channels?.telegram?.allowFrom ?? []).map(String).join(", "),
        validate: (given) =>
          Effect.succeed(idsIn(given) === undefined ? "numbers only: a name can change hands" : undefined)
      })
      return { kind, ids: idsIn(text) ?? [] } satisfies Policy as Policy
    })
  )

const kept = Effect.fnUntraced(function* (token: Redacted.Redacted, apiRoot: string | undefined) {
  const seen = yield* identify(inFile(token), apiRoot)
  return {
    changes: [],
    shown: seen === undefined ? "the bot that is connected, not tried" : nameOf(seen),
    bot: seen === undefined ? undefined : nameOf(seen),
    report: null
  } satisfies Decided
})

/** `apiRoot`: where the Bot API is, by flag. */
export const ask = (present: OpenClawConfig, apiRoot: string | undefined) =>
  Effect.gen(function* () {
    const token = yield* presentToken(present)
    const root = apiRoot ?? present.channels?.telegram?.apiRoot
    return yield* followed(
      choose("Telegram: talk to the agent from your phone", choices(token !== undefined)),
      (wanted) => {
        if (wanted === "skip") return Effect.succeed(untouched)
        if (wanted === "keep") return token === undefined ? Effect.succeed(untouched) : kept(token, root)
        return followed(askToken, (given) =>
          Effect.flatMap(identify(given, root), (seen) =>
            Effect.map(askPolicy(present), (policy) => decided({ token: given, policy, apiRoot, seen }))
          )
        )
      }
    )
  })
