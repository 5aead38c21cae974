/**
 * What to do about errors whose own message only says what happened. Everything that the program reports has a fix; what no
 * row knows gets the general one.
 */
import * as Predicate from "effect/Predicate"
import { GatewayError } from "../protocol/GatewayError.ts"
import { ConfigInvalid } from "../services/Config.ts"

const STORAGE =
  "look at the free space of the disk and at what the Gateway says (`openclaw logs`), then try again; nothing was changed."

/** By the error's name. */
const fixes: Readonly<Record<string, string>> = {
  AccessCodeNotFound: "take the current code from `openclaw pairing list`.",
  AccessStorageFailed: STORAGE,
  ApprovalAmbiguous: "give more of the id; `openclaw approvals pending` shows it whole.",
  ApprovalsFileRefused: "`openclaw approvals get` shows the list as it is now; change that, then give it again.",
  ApprovalsFileUnusable:
    "correct exec-approvals.json in the state directory, or move it away: without it the list is empty.",
  ApprovalNotFound:
    "take the current id from `openclaw approvals pending`; an approval is gone once it was answered or ran out.",
  ApprovalsUnavailable: STORAGE,
  BackupFailed:
    "check the path and the free space of the disk; `openclaw backup verify <archive>` says whether an archive is whole, and `openclaw backup create` makes another.",
  ChannelNotConfigured:
    "`openclaw channels status` shows the channels that are there; docs/reference/configuration.md says how one is set up.",
  CommandFailed: "`--help` of the command says what it takes; `openclaw doctor` looks at this machine.",
  ConfigChanged: "run the command again; it begins with the file as it is now.",
  ConfigUnreadable:
    "make it a regular file that is yours and that you may read, or name another one with OPENCLAW_CONFIG_PATH.",
  ConnectionClosed: "look whether the Gateway still runs (`openclaw gateway status`), then try again.",
  DatabaseUnusable: "`openclaw doctor` looks at the database; `openclaw backup restore` brings an earlier one back.",
  DeadLetterNotFound: "take the id from `openclaw channels dead-letters list`.",
  DeadLettersUnavailable: STORAGE,
  DeliveryStorageFailed: STORAGE,
  DeviceNotFound: "take the id from `openclaw devices list`.",
  EventsOverflowed: "run the command again; it read more slowly than the Gateway spoke.",
  LabelTaken: "choose another label, or rename the session that has it (`openclaw sessions list`).",
  LockHeld: "wait until that process has ended, or end it.",
  LockedOut: "wait as long as it says, then connect with the right --token or --password.",
  NodeNotConnected:
    "`openclaw nodes status` shows which nodes are there; start it with `openclaw node run` on its machine.",
  PlatformError: "check that the path exists and that you may read and write it.",
  ProtocolViolation:
    "check the address: `openclaw gateway probe` tells whether a Gateway answers there, and which version.",
  RegistryStorageFailed: STORAGE,
  RequestTimeout: "look how the Gateway does (`openclaw health`), or wait longer with --timeout.",
  SessionNotFound: "take the key from `openclaw sessions list`.",
  SessionStorageFailed: STORAGE,
  StateDirUnusable:
    "`openclaw doctor` looks at the state directory and says what to change; OPENCLAW_STATE_DIR names another one.",
  VoiceWakeStorageFailed: STORAGE
}

/** What is left to say where nobody knows better. */
const GENERAL = "run the command again with --log-level debug to see more; `openclaw doctor` looks at this machine."

const ofConfig = ({ file, problems }: ConfigInvalid): string => {
  const whole = problems.find(({ path }) => path === "")
  if (whole === undefined) return "correct the file, or set each value with `openclaw config set <path> <value>`."
  const place = /at (line \d+, column \d+)/.exec(whole.expected)?.[1]
  return `edit ${file}${place === undefined ? "" : ` at ${place}`}; \`openclaw config validate\` says whether it is right then.`
}

const requests: Readonly<Record<string, string>> = {
  AGENT_TIMEOUT: "ask for less at once, or allow more time with --timeout.",
  CONFLICT: "look at how it stands now, then ask again.",
  FORBIDDEN:
    "connect with the Gateway's own --token or --password, or approve more scopes for this device (`openclaw devices list`).",
  INTERNAL: "the Gateway's log has the cause (`openclaw logs`).",
  INVALID_REQUEST: "correct what the message names; `--help` says what the command takes.",
  NOT_FOUND: "look at the list of what there is; an id may be answered or replaced by now.",
  NOT_PAIRED:
    "approve this device on the Gateway's machine: `openclaw devices list`, then `openclaw devices approve <id>`.",
  TIMEOUT: "look how the Gateway does (`openclaw health`), or wait longer with --timeout.",
  UNAVAILABLE: "the Gateway's log has the cause (`openclaw logs`); `openclaw health` shows what is not well."
}

const ofRequest = (error: GatewayError): string => {
  const { details } = error
  const isDelivery = Predicate.hasProperty(details, "code") && details.code === "OUTBOUND_DELIVERY_FAILED"
  // Telegram answers a token that it does not know with 401, and a malformed one with 404.
  if (isDelivery && /: 40[14] /.test(error.message)) {
    return "the bot token is wrong or was revoked; set the one that @BotFather shows with `openclaw config set channels.telegram.botToken -`, then check it with `openclaw channels status --probe`."
  }
  if (error.code !== "FORBIDDEN" && error.retryable === true) return "try again in a moment."
  return requests[error.code] ?? GENERAL
}

/** One or two sentences, without `Fix:` before them. */
export const fixOf = (error: unknown, name: string): string => {
  if (error instanceof ConfigInvalid) return ofConfig(error)
  return error instanceof GatewayError ? ofRequest(error) : (fixes[name] ?? GENERAL)
}
