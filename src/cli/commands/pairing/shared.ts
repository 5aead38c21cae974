/**
 * The pairing store of the state directory, opened without a Gateway, and the channels in it.
 */
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import * as ChannelAccessLayer from "../../../layers/channels/ChannelAccess.ts"
import * as Storage from "../../../layers/storage/Storage.ts"
import type { ChannelAccess } from "../../../services/ChannelRouter.ts"
import { CommandFailed } from "../../errors.ts"
import { plain } from "../../output.ts"
import * as State from "../../state.ts"

/** Channels that people can wait on: those this program has, and those of whoever waits already. */
export const checkChannel = Effect.fnUntraced(function* (store: ChannelAccess["Service"], channel: string) {
  const known = new Set(["telegram", ...(yield* store.pending()).map((request) => request.channel)])
  if (known.has(channel)) return
  return yield* new CommandFailed({
    message: `there is no channel called ${plain(channel)}.\nFix: name one of ${[...known].map(plain).join(", ")}.`
  })
})

export const access = ChannelAccessLayer.layer.pipe(Layer.provide(Storage.layerStateDir), Layer.provide(State.stateDir))
