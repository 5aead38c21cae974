import * as Clock from "effect/Clock"
import * as Effect from "effect/Effect"
import { ChannelAccess } from "../../../services/ChannelRouter.ts"
import { saysHere } from "../../here.ts"
import { ago, duration, plain, print, shortName, table } from "../../output.ts"
import { access, checkChannel } from "./shared.ts"

export const run = Effect.fn("cli.pairing.list")(function* (flags: { readonly channel: string | undefined }) {
  yield* saysHere("who waits", "openclaw pairing list")
  const store = yield* ChannelAccess
  const channel = flags.channel?.trim().toLowerCase()
  if (channel !== undefined) yield* checkChannel(store, channel)
  const requests = yield* store.pending(channel)
  const now = yield* Clock.currentTimeMillis
  yield* print({ channel: channel ?? null, requests }, () =>
    requests.length === 0
      ? `Nobody waits${channel === undefined ? "" : ` on ${plain(channel)}`}. Who writes to the bot under dmPolicy "pairing" appears here.`
      : [
          `Pairing requests (${requests.length})`,
          table(
            ["Code", "Channel", "Account", "Sender id", "Name", "Requested", "Expires"],
            requests.map((request) => [
              request.code,
              request.channel,
              request.accountId,
              request.senderId,
              [
                request.displayName === undefined ? undefined : shortName(request.displayName),
                request.username === undefined ? undefined : `@${request.username}`
              ]
                .filter((part) => part !== undefined)
                .join(" "),
              ago(now, request.createdAt),
              `in ${duration(Math.max(0, request.expiresAt - now))}`
            ])
          ),
          "",
          "Let one in with `openclaw pairing approve <channel> <code>`."
        ].join("\n")
  )
}, Effect.provide(access))
