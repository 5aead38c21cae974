/**
 * The section `channels.telegram` of `openclaw.json`: the bots, and who may talk to them.
 */
import * as Schema from "effect/Schema"
import { flag, Ids, oneOf, positive, record, secret, text } from "./ConfigFields.ts"

const dmPolicy = oneOf("pairing", "allowlist", "open", "disabled")
const groupPolicy = oneOf("open", "allowlist", "disabled")

const TelegramGroup = Schema.Struct({
  /** `false`: the bot says nothing in this group. @default true */
  enabled: flag,
  /** Answers only what mentions the bot or replies to it. @default true */
  requireMention: flag,
  /** Who may speak to the bot in this group. @default `groupAllowFrom` */
  allowFrom: Ids,
  /** As the account's, for this group. */
  groupPolicy
})

const telegramAccount = {
  /** `false`: the account is not run. @default true */
  enabled: flag,
  /** What people call it. */
  name: text,
  /** The bot's token, from @BotFather. */
  botToken: secret,
  /** Path of a file with the token, instead of `botToken`. */
  tokenFile: text,
  /** Address of the Bot API. @default https://api.telegram.org */
  apiRoot: text,
  /** Who may write to the bot: whom somebody let in by a code (`pairing`), those in `allowFrom`, everybody, nobody. @default pairing */
  dmPolicy,
  /** Telegram ids that may write to the bot; `*` is everybody. User names do not count. */
  allowFrom: Ids,
  /** In which groups it answers: every one (`open`), those in `groups` and by whom is allowed, none. @default allowlist */
  groupPolicy,
  /** Telegram ids that may speak to the bot in groups. @default `allowFrom` */
  groupAllowFrom: Ids,
  /** Groups by id; `*` stands for all others. */
  groups: record(TelegramGroup),
  /** Seconds that a call of the Bot API may take. */
  timeoutSeconds: positive,
  /** Who decides in a chat whether a command runs, and whether they are told of it there. */
  execApprovals: Schema.optional(
    Schema.Struct({
      /** Whether they are told in their chats; they may decide there either way. @default true */
      enabled: Schema.optional(Schema.Union([Schema.Boolean, Schema.Literal("auto")])),
      /** Telegram ids of those who may decide. @default the owners in `commands.ownerAllowFrom` */
      approvers: Ids
    })
  ),
  /** Where questions have buttons: everywhere unless `inlineButtons` says otherwise. */
  capabilities: Schema.optional(
    Schema.Union([
      Schema.Array(Schema.String),
      Schema.Struct({
        /** `off` and `group`: a question in a direct chat has no buttons. @default all */
        inlineButtons: oneOf("off", "dm", "group", "all", "allowlist")
      })
    ])
  )
}

export const TelegramSection = Schema.Struct({
  ...telegramAccount,
  /** The account that is meant where nobody names one. @default default */
  defaultAccount: text,
  /** Several bots by name. What an account does not say, the section says. */
  accounts: record(Schema.Struct(telegramAccount))
})
