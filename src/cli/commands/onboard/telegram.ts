/**
 * Step 2: a Telegram bot, and who may write to it.
 */
import * as ConfigProvider from "effect/ConfigProvider"
import * as Effect from "effect/Effect"
import * as Redacted from "effect/Redacted"
import { isAbsolute, resolve } from "node:path"
import { type BotSeen, checkBot, tokenProblem } from "../../../layers/checks/telegram.ts"
import { readAccounts } from "../../../layers/telegram/fromConfig.ts"
import type { OpenClawConfig } from "../../../services/ConfigSchema.ts"
import { Environment } from "../../Environment.ts"
import { CommandFailed } from "../../errors.ts"
import { plain } from "../../output.ts"
import { waiting } from "../../progress.ts"
import { type Change, type Decided, type Secret, set, untouched } from "./Draft.ts"
import { fromVariable, inFile, type OnboardFlags, type Reader } from "./flags.ts"

export const TOKEN_VARIABLE = "TELEGRAM_BOT_TOKEN"

/** Who may write to the bot: as it is configured, whoever is let in by a code, or these ids only. */
export type Policy =
  | { readonly kind: "keep" | "pairing" }
  | { readonly kind: "allowlist"; readonly ids: ReadonlyArray<string> }

export interface Bot {
  /** `undefined`: the token that is there stays. */
  readonly token: Secret | undefined
  /** The token stays in this file. */
  readonly tokenFile?: string | undefined
  readonly policy: Policy
  readonly apiRoot?: string | undefined
  /** What Telegram says of it; `undefined` where it was not asked. */
  readonly seen: BotSeen | undefined
}

const AT = ["channels", "telegram"]

export const nameOf = ({ id, username }: BotSeen): string =>
  username === undefined ? String(id) : `@${plain(username)}`

/** Numeric ids, as `123, telegram:456`; `undefined` where one is none. */
export const idsIn = (text: string): ReadonlyArray<string> | undefined => {
  const ids = text
    .split(/[\s,]+/)
    .filter((each) => each !== "")
    .map((each) => each.replace(/^(?:telegram|tg):/i, ""))
  return ids.length > 0 && ids.every((id) => /^\d{1,20}$/.test(id)) ? ids : undefined
}

const inWords = (policy: Policy): string => {
  if (policy.kind === "allowlist") return `only ${policy.ids.join(", ")} may write`
  return policy.kind === "keep" ? "who may write stays as it is" : "whoever you let in by a code may write"
}

const tokenChanges = ({ token, tokenFile }: Bot): ReadonlyArray<Change> => {
  if (tokenFile !== undefined) return [set([...AT, "tokenFile"], tokenFile), set([...AT, "botToken"], undefined)]
  // A file would go before it.
  return token === undefined ? [] : [set([...AT, "botToken"], token.stored), set([...AT, "tokenFile"], undefined)]
}

export const decided = (bot: Bot): Decided => ({
  changes: [
    set([...AT, "enabled"], true),
    ...tokenChanges(bot),
    ...(bot.apiRoot === undefined ? [] : [set([...AT, "apiRoot"], bot.apiRoot)]),
    ...(bot.policy.kind === "keep" ? [] : [set([...AT, "dmPolicy"], bot.policy.kind)]),
    ...(bot.policy.kind === "allowlist" ? [set([...AT, "allowFrom"], bot.policy.ids)] : [])
  ],
  shown: `${bot.seen === undefined ? "a bot, not tried" : nameOf(bot.seen)}; ${inWords(bot.policy)}${
    typeof bot.token?.stored === "object" ? `; token in ${bot.token.stored.id}` : ""
  }`,
  bot: bot.seen === undefined ? undefined : nameOf(bot.seen),
  report: {
    bot: bot.seen === undefined ? null : { id: bot.seen.id, username: bot.seen.username ?? null },
    checked: bot.seen !== undefined,
    dmPolicy: bot.policy.kind
  }
})

/** Asks Telegram who the bot is. */
export const tryOut = Effect.fn("cli.onboard.bot")(function* (token: Redacted.Redacted, apiRoot: string | undefined) {
  return yield* checkBot({ token, apiRoot }).pipe(waiting("Asking Telegram"))
})

/** Where the Bot API is: by flag, else as configured. */
export const apiRootOf = (flags: OnboardFlags, present: OpenClawConfig): string | undefined =>
  flags.telegramApiRoot ?? present.channels?.telegram?.apiRoot

/** Whether the flags say anything of this step. */
export const isGiven = (flags: OnboardFlags): boolean =>
  flags.skipChannels ||
  flags.telegramToken !== undefined ||
  flags.telegramTokenFile !== undefined ||
  flags.telegramAllowFrom !== undefined

/** The default account's token, wherever it is. */
export const presentToken = Effect.fnUntraced(function* (present: OpenClawConfig) {
  const { variables } = yield* Environment
  if (present.channels?.telegram === undefined) return undefined
  const accounts = yield* Effect.provideService(
    readAccounts(present),
    ConfigProvider.ConfigProvider,
    ConfigProvider.fromUnknown(variables)
  )
  return accounts.find(({ accountId }) => accountId === "default")?.token
})

const policyFrom = Effect.fnUntraced(function* (flags: OnboardFlags, present: OpenClawConfig) {
  if (flags.telegramAllowFrom === undefined) {
    return { kind: present.channels?.telegram?.dmPolicy === undefined ? "pairing" : "keep" } as const
  }
  const ids = idsIn(flags.telegramAllowFrom)
  if (ids !== undefined) return { kind: "allowlist", ids } as const
  return yield* new CommandFailed({
    message: `--telegram-allow-from ${plain(flags.telegramAllowFrom)} is no list of ids.\nFix: give numeric Telegram ids, separated by commas; names can change hands.`
  })
})

const tokenFrom = Effect.fnUntraced(function* (flags: OnboardFlags, reader: Reader) {
  const inShell = yield* fromVariable(TOKEN_VARIABLE)
  if (flags.secretInputMode === "ref") {
    if (inShell !== undefined) return inShell
    return yield* new CommandFailed({
      message: `--secret-input-mode ref keeps the bot token in ${TOKEN_VARIABLE}, which has no value here.\nFix: set ${TOKEN_VARIABLE}, here and where the Gateway runs; or leave the flag out.`
    })
  }
  const given = yield* reader.flag("telegram-token", flags.telegramToken)
  if (given !== undefined) return inFile(given)
  return inShell === undefined || flags.secretInputMode === undefined ? inShell : inFile(inShell.value)
})

/** What the flags say of the bot that is connected already. */
const ofPresentBot = Effect.fnUntraced(function* (flags: OnboardFlags, present: OpenClawConfig, policy: Policy) {
  const token = yield* presentToken(present)
  if (token === undefined) {
    return yield* new CommandFailed({
      message:
        "the flags speak of a Telegram bot, and none is connected.\nFix: give its token too, with --telegram-token - or --telegram-token-file."
    })
  }
  const seen = flags.skipChecks ? undefined : yield* tryOut(token, apiRootOf(flags, present))
  return decided({ token: undefined, policy, apiRoot: flags.telegramApiRoot, seen })
})

/** The whole step by flags. Where no bot is configured, a token in the environment counts as one that is meant. */
export const byFlags = Effect.fn("cli.onboard.telegram")(function* (
  flags: OnboardFlags,
  reader: Reader,
  present: OpenClawConfig
) {
  const { cwd, variables } = yield* Environment
  if (flags.skipChannels) return untouched
  const wants = flags.telegramToken !== undefined || flags.telegramTokenFile !== undefined
  const inShell = present.channels?.telegram === undefined && (variables[TOKEN_VARIABLE] ?? "").trim() !== ""
  const policy = yield* policyFrom(flags, present)
  if (!wants && !inShell) {
    if (flags.telegramAllowFrom === undefined && flags.telegramApiRoot === undefined) return untouched
    return yield* ofPresentBot(flags, present, policy)
  }
  const fromFile = yield* reader.file("telegram-token-file", flags.telegramTokenFile)
  const token = fromFile === undefined ? yield* tokenFrom(flags, reader) : inFile(fromFile)
  if (token === undefined) return untouched
  const problem = tokenProblem(Redacted.value(token.value))
  if (problem !== undefined) {
    return yield* new CommandFailed({
      message: `the Telegram bot token is none: ${problem}.\nFix: copy it from @BotFather.`
    })
  }
  const file = flags.telegramTokenFile
  return decided({
    token,
    tokenFile: file === undefined ? undefined : isAbsolute(file) ? file : resolve(cwd, file),
    policy,
    apiRoot: flags.telegramApiRoot,
    seen: flags.skipChecks ? undefined : yield* tryOut(token.value, apiRootOf(flags, present))
  })
})
