/**
 * The `Gateway` namespace of the library: everything by which an app puts a Gateway into itself.
 *
 * `layer` is the Gateway; `layerNode` the same with a Node process's platform, a state directory and a configuration file.
 * `config`, `stateDir`, `storage` and `database` make what `layer` leaves open. `models`, `tools`, `channel` and `node` make what
 * the app adds.
 */
export {
  type AppServer,
  Gateway,
  type GatewayLayerError,
  type GatewayLayerOptions,
  type GatewayLimits,
  type GatewayNodeOptions,
  type GatewayRequirements,
  type GatewayServices,
  layer,
  layerNode,
  stateDir
} from "./Gateway.ts"
export { channel, type ChannelParts, type Incoming } from "./channels/own.ts"
export { fromValue as config } from "./config/fromValue.ts"
export { type Asked, model, type ModelRef, models } from "./models/own.ts"
export { type Command, command, node } from "./nodes/own.ts"
export { layer as database, layerStateDir as storage } from "./storage/Storage.ts"
export { ask, type AskOptions } from "./turns/ask.ts"
export { layer as tools } from "../services/AppTools.ts"
