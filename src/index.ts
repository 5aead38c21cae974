/**
 * The library's front door: the Gateway as a Layer, its services, and the protocol.
 *
 * `openclaw/client` is the client, `openclaw/protocol` the wire alone, `openclaw/testing` the test kit.
 */
export * as Gateway from "./layers/embedding.ts"
export * as SessionKey from "./domain/SessionKey.ts"
export * as Protocol from "./protocol/index.ts"
export { VERSION } from "./domain/Version.ts"
export * from "./domain/Ids.ts"
export * from "./services/AgentRunner.ts"
export { ToolCall, ToolNameTaken } from "./services/AppTools.ts"
export * from "./services/Channel.ts"
export * from "./services/ChannelRouter.ts"
export * from "./services/Config.ts"
export type { OpenClawConfig } from "./services/ConfigSchema.ts"
export * from "./services/DeviceRegistry.ts"
export * from "./services/EventBus.ts"
export {
  AppServerUnusable,
  BindAddressMissing,
  BindRefused,
  InProcessClosed,
  ListenFailed,
  PortInUse,
  type Restart,
  RestartRefused,
  type RestartRequest,
  TlsUnusable
} from "./services/Gateway.ts"
export * from "./services/Models.ts"
export * from "./services/NodeRegistry.ts"
export * from "./services/NodeTurns.ts"
export * from "./services/Sessions.ts"
export * from "./services/StateDir.ts"
export * from "./services/Supervisor.ts"
export * from "./services/Turns.ts"
