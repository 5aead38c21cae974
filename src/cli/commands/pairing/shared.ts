/**
 * The pairing store of the state directory, opened without a Gateway.
 */
import * as Layer from "effect/Layer"
import * as ChannelAccess from "../../../layers/channels/ChannelAccess.ts"
import * as Storage from "../../../layers/storage/Storage.ts"
import * as State from "../../state.ts"

export const access = ChannelAccess.layer.pipe(Layer.provide(Storage.layerStateDir), Layer.provide(State.stateDir))
