/**
 * One account of a channel, started, stopped or logged out through the Gateway.
 */
import * as Effect from "effect/Effect"
import type { BriefClient } from "../../../client/BriefClient.ts"
import { CommandFailed, NotWell } from "../../errors.ts"
import { ask } from "../../gateway.ts"
import { plain, print } from "../../output.ts"

export interface AccountFlags {
  readonly channel: string | undefined
  readonly account: string | undefined
  readonly timeout: number
}

type Client = BriefClient
interface Named {
  readonly channel: string
  readonly accountId?: string
}

/** The channel that is meant: the named one, or the only one that there is. A blank name names nothing by accident. */
const named = Effect.fnUntraced(function* (client: Client, { account, channel }: AccountFlags) {
  if (channel?.trim() === "" || account?.trim() === "") {
    return yield* new CommandFailed({
      message: "--channel and --account need a name.\nFix: name one, or leave the flag out."
    })
  }
  const accountId = account === undefined ? undefined : { accountId: account.trim() }
  if (channel !== undefined) return { channel: channel.trim().toLowerCase(), ...accountId }
  const { channelOrder } = yield* client.call["channels.status"]({})
  const [only, ...others] = channelOrder
  if (only !== undefined && others.length === 0) return { channel: only, ...accountId }
  return yield* new CommandFailed({
    message:
      only === undefined
        ? "no channel is configured.\nFix: name one with --channel."
        : `there are several channels.\nFix: name one with --channel: ${channelOrder.map(plain).join(", ")}.`
  })
})

const through = <A, E>(flags: AccountFlags, call: (client: Client, account: Named) => Effect.Effect<A, E>) =>
  ask({ scopes: ["operator.admin"], timeoutMs: flags.timeout }, (client) =>
    Effect.flatMap(named(client, flags), (account) => call(client, account))
  )

const nameOf = (answer: { readonly channel: string; readonly accountId: string }) =>
  `${plain(answer.channel)} ${plain(answer.accountId)}`

/** Exit code 1 when it does not receive afterwards. */
export const start = Effect.fn("cli.channels.start")(function* (flags: AccountFlags) {
  const answer = yield* through(flags, (client, account) => client.call["channels.start"](account))
  const reason = answer.outcome?.reason
  yield* print(answer, () =>
    answer.started
      ? `${nameOf(answer)} receives${answer.outcome?.status === "retry" ? " already" : ""}.`
      : `${nameOf(answer)} does not receive${reason === undefined ? " yet" : ` (${plain(reason)})`}; \`openclaw channels status\` tells more.`
  )
  if (!answer.started) return yield* new NotWell({})
})

/** Exit code 1 when it receives all the same. */
export const stop = Effect.fn("cli.channels.stop")(function* (flags: AccountFlags) {
  const answer = yield* through(flags, (client, account) => client.call["channels.stop"](account))
  yield* print(answer, () =>
    answer.stopped
      ? `${nameOf(answer)} receives nothing until it is started, or the Gateway is.`
      : `${nameOf(answer)} goes on receiving; \`openclaw channels status\` tells more.`
  )
  if (!answer.stopped) return yield* new NotWell({})
})

/** Exit code 1 when credentials are left. */
export const logout = Effect.fn("cli.channels.logout")(function* (flags: AccountFlags) {
  const answer = yield* through(flags, (client, account) => client.call["channels.logout"](account))
  const isOut = answer.loggedOut === true
  yield* print(answer, () => {
    if (isOut) return `${nameOf(answer)} is logged out${answer.cleared ? "" : "; it had no credentials"}.`
    if (answer.envToken === true) {
      return `${nameOf(answer)} is stopped and not logged out: its token is in the environment of the Gateway.\nFix: take it out of there, then restart the Gateway.`
    }
    return `${nameOf(answer)} is not logged out: ${answer.cleared ? "other credentials are left" : "there is no such account, or its credentials are not in openclaw.json itself"}.`
  })
  if (!isOut) return yield* new NotWell({})
})
