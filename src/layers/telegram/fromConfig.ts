/**
 * The Telegram accounts of the configuration, run by the `ChannelRouter` and kept in step with the file.
 */
import * as EffectConfig from "effect/Config"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import * as FileSystem from "effect/FileSystem"
import * as HttpClient from "effect/http/HttpClient"
import * as Layer from "effect/Layer"
import * as Option from "effect/Option"
import * as Redacted from "effect/Redacted"
import * as Schedule from "effect/Schedule"
import * as Scope from "effect/Scope"
import * as Semaphore from "effect/Semaphore"
import * as Stream from "effect/Stream"
import { type Channel, ChannelLogoutFailed } from "../../services/Channel.ts"
import { ChannelRouter } from "../../services/ChannelRouter.ts"
import { Config, type ConfigInvalid, type ConfigUnreadable } from "../../services/Config.ts"
import type { OpenClawConfig, TelegramAccountConfig } from "../../services/ConfigSchema.ts"
import { Supervisor } from "../../services/Supervisor.ts"
import { unsetAt } from "../config/path.ts"
import type { TelegramAccount, TokenSource } from "./Account.ts"
import { defaultApiRoot } from "./Api.ts"
import * as TelegramChannel from "./TelegramChannel.ts"

const defaultAccountId = "default"
/** How often token files are looked at: a token may be rotated without a change of the configuration. */
const lookEvery = "30 seconds"
/** A token file that is longer is something else. */
const maxTokenFileBytes = 4_096

type Section = NonNullable<NonNullable<OpenClawConfig["channels"]>["telegram"]>

/** The bot token of the environment, for the default account. */
const environmentToken = Effect.orElseSucceed(
  EffectConfig.option(EffectConfig.Redacted("TELEGRAM_BOT_TOKEN")),
  Option.none<Redacted.Redacted>
)

const readTokenFile = Effect.fnUntraced(function* (path: string) {
  const fs = yield* FileSystem.FileSystem
  const problem = (what: string) => Effect.fail(`the token file ${path} ${what}`)
  const isLink = yield* Effect.isSuccess(fs.readLink(path))
  if (isLink) return yield* problem("is a symbolic link; name the file itself")
  const info = yield* Effect.catch(fs.stat(path), () => problem("cannot be read"))
  if (info.type !== "File") return yield* problem("is not a plain file")
  if (info.size > maxTokenFileBytes) return yield* problem("is too long to be a bot token")
  const token = (yield* Effect.catch(fs.readFileString(path), () => problem("cannot be read"))).trim()
  return token === "" ? yield* problem("is empty") : Redacted.make(token)
})

type Token = Pick<TelegramAccount, "token" | "tokenProblem" | "tokenSource">

const found = (token: Redacted.Redacted, tokenSource: TokenSource): Token => ({ token, tokenSource })
const missing = (tokenProblem: string): Token => ({ token: undefined, tokenProblem, tokenSource: "none" })

/** `tokenFile`, then `botToken`, then, for the default account, the environment. */
const tokenOf = Effect.fnUntraced(function* (
  accountId: string,
  settings: TelegramAccountConfig
): Effect.fn.Return<Token, never, FileSystem.FileSystem> {
  if (settings.tokenFile !== undefined && settings.tokenFile !== "") {
    return yield* Effect.match(readTokenFile(settings.tokenFile), {
      onSuccess: (token) => found(token, "tokenFile"),
      onFailure: missing
    })
  }
  const configured = settings.botToken?.trim() ?? ""
  if (configured !== "") return found(Redacted.make(configured), "config")
  const isDefault = accountId === defaultAccountId
  const environment = isDefault ? yield* environmentToken : Option.none()
  if (Option.isSome(environment) && Redacted.value(environment.value).trim() !== "") {
    return found(Redacted.make(Redacted.value(environment.value).trim()), "env")
  }
  return missing(
    isDefault
      ? "the Telegram bot token is missing: set channels.telegram.botToken, channels.telegram.tokenFile or TELEGRAM_BOT_TOKEN"
      : `the Telegram bot token of account ${accountId} is missing: set channels.telegram.accounts.${accountId}.botToken or tokenFile`
  )
})

/** Each account's settings. A named account has what the section says, but for the token, unless it says otherwise. */
const settingsOf = (
  section: Section,
  hasEnvironment: boolean
): ReadonlyArray<readonly [string, TelegramAccountConfig]> => {
  const { accounts = {}, botToken, defaultAccount, tokenFile, ...shared } = section
  const own = { botToken, tokenFile }
  const named = Object.entries(accounts).map(([id, account]) => {
    const tokens = id === defaultAccountId ? own : {}
    return [id, { ...shared, ...tokens, ...account } as TelegramAccountConfig] as const
  })
  const needsDefault =
    accounts[defaultAccountId] === undefined &&
    (botToken !== undefined || tokenFile !== undefined || hasEnvironment || named.length === 0)
  const all = needsDefault
    ? [[defaultAccountId, { ...shared, ...own } as TelegramAccountConfig] as const, ...named]
    : named
  return [...all].sort(([a], [b]) => Number(b === defaultAccount) - Number(a === defaultAccount))
}

/** The enabled accounts, the default one first. An account without a token is there, and says so. */
export const readAccounts = Effect.fn("Telegram.readAccounts")(function* (
  config: OpenClawConfig
): Effect.fn.Return<ReadonlyArray<TelegramAccount>, never, FileSystem.FileSystem> {
  const hasEnvironment = Option.isSome(yield* environmentToken)
  const section = config.channels?.telegram ?? (hasEnvironment ? {} : undefined)
  if (section === undefined || section.enabled === false) return []
  return yield* Effect.forEach(
    settingsOf(section, hasEnvironment).filter(([, settings]) => settings.enabled !== false),
    ([accountId, settings]) =>
      Effect.map(tokenOf(accountId, settings), (token): TelegramAccount => ({
        ...token,
        accountId,
        apiRoot: settings.apiRoot ?? defaultApiRoot,
        ...(settings.name === undefined ? undefined : { name: settings.name }),
        ...(settings.timeoutSeconds === undefined ? undefined : { timeoutMs: settings.timeoutSeconds * 1_000 })
      }))
  )
})

/** Where the file has an account's token, or the name of a file with one. */
const tokenPaths = (accountId: string): ReadonlyArray<ReadonlyArray<string>> =>
  ["botToken", "tokenFile"].flatMap((key) => [
    ["channels", "telegram", "accounts", accountId, key],
    ...(accountId === defaultAccountId ? [["channels", "telegram", key]] : [])
  ])

/** Says whether there was one. */
const forgetToken = Effect.fnUntraced(function* (config: Config["Service"], accountId: string) {
  let cleared = false
  yield* config.edit(({ raw }) =>
    Effect.sync(() => {
      const left = tokenPaths(accountId).reduce((tree, path) => unsetAt(tree, path)?.tree ?? tree, raw)
      cleared = left !== raw
      return cleared ? left : undefined
    })
  )
  return cleared
})

/** Equal for accounts that need not be started anew. */
const fingerprint = (account: TelegramAccount): string =>
  JSON.stringify({ ...account, token: account.token === undefined ? null : Redacted.value(account.token) })

interface Running {
  readonly fingerprint: string
  readonly channel: Channel
  readonly scope: Scope.Closeable
}

/**
 * Adds every account to the router, and later the ones that change, be it in the configuration or in a token file; a probe
 * looks at once. Policies are not read here: the router looks at them for every message.
 */
export const layer: Layer.Layer<
  never,
  ConfigInvalid | ConfigUnreadable,
  Config | ChannelRouter | Supervisor | HttpClient.HttpClient | FileSystem.FileSystem
> = Layer.effectDiscard(
  Effect.gen(function* () {
    const config = yield* Config
    const router = yield* ChannelRouter
    const supervisor = yield* Supervisor
    const outer = yield* Effect.scope
    const platform = yield* Effect.context<HttpClient.HttpClient | FileSystem.FileSystem>()
    const running = new Map<string, Running>()

    const stop = (accountId: string, account: Running) =>
      Effect.andThen(
        Effect.sync(() => running.delete(accountId)),
        Scope.close(account.scope, Exit.void)
      )

    /** The channel as it is after its probe has looked at the token again: perhaps another one by then. */
    const refreshing = (channel: Channel): Channel => {
      const present = Effect.sync(() => running.get(channel.accountId)?.channel ?? channel)
      return {
        ...channel,
        probe: Effect.andThen(
          look,
          Effect.flatMap(present, ({ probe }) => probe)
        ),
        status: Effect.flatMap(present, ({ status }) => status)
      }
    }

    /** Takes the account's token out of the file, and goes by what is left. */
    const logout = Effect.fn("Telegram.logout")(
      function* (accountId: string) {
        const cleared = yield* forgetToken(config, accountId)
        yield* look
        const left = (yield* readAccounts(yield* config.get)).find((account) => account.accountId === accountId)
        return { cleared, loggedOut: left?.token === undefined, envToken: left?.tokenSource === "env" }
      },
      (effect, accountId) =>
        Effect.mapError(effect, ({ message }) => new ChannelLogoutFailed({ channel: "telegram", accountId, message })),
      Effect.provideContext(platform)
    )

    const start = Effect.fnUntraced(function* (account: TelegramAccount) {
      const { accountId } = account
      const scope = yield* Scope.fork(outer)
      const channel = yield* TelegramChannel.make(account)
      running.set(accountId, { fingerprint: fingerprint(account), channel, scope })
      yield* Scope.provide(router.add({ ...refreshing(channel), logout: logout(accountId) }), scope)
    })

    /** One at a time, and not to be interrupted half way: an account would be neither stopped nor started. */
    const turn = yield* Semaphore.make(1)
    const reconcile = Effect.fnUntraced(
      function* () {
        const accounts = yield* readAccounts(yield* config.get)
        const wanted = new Map(accounts.map((account) => [account.accountId, fingerprint(account)]))
        for (const [accountId, account] of running) {
          if (wanted.get(accountId) !== account.fingerprint) yield* stop(accountId, account)
        }
        for (const account of accounts) if (!running.has(account.accountId)) yield* start(account)
      },
      Effect.uninterruptible,
      turn.withPermits(1)
    )
    const look: Effect.Effect<void> = Effect.catch(reconcile(), (error) =>
      Effect.logWarning(`the Telegram accounts stay as they are: ${error.message}`)
    ).pipe(Effect.provideContext(platform))

    yield* reconcile()
    yield* supervisor.supervise("channels/telegram-tokens", Effect.repeat(look, Schedule.spaced(lookEvery)), {
      restart: "always"
    })
    yield* supervisor.supervise(
      "channels/telegram",
      Stream.runForEach(
        // What changed between the first look and the subscription is seen by the second look.
        Stream.merge(config.changes, Stream.fromEffect(config.get)),
        () => look
      ),
      { restart: "on-failure" }
    )
  })
)
