import * as Effect from "effect/Effect"
import { ChannelAccess } from "../../../services/ChannelRouter.ts"
import { saysHere } from "../../here.ts"
import { plain, print } from "../../output.ts"
import { access, checkChannel } from "./shared.ts"

/** Codes are read aloud and typed by hand, so their case does not matter. */
export const run = Effect.fn("cli.pairing.approve")(function* (flags: {
  readonly channel: string
  readonly code: string
}) {
  const channel = flags.channel.trim().toLowerCase()
  yield* saysHere("who waits", `openclaw pairing approve ${channel} <code>`)
  const store = yield* ChannelAccess
  yield* checkChannel(store, channel)
  const approved = yield* store.approve(channel, flags.code.trim().toUpperCase())
  yield* print(
    approved,
    () =>
      `Approved ${plain(approved.displayName ?? approved.username ?? approved.senderId)} (${plain(approved.senderId)}) on ${plain(approved.channel)}.`
  )
}, Effect.provide(access))
