/**
 * `openclaw/testing`: a Gateway on a free port, mocked nodes, a node that is spoken to, a Bot API server, a scripted model, a provider server.
 */
export * as BotApi from "./BotApi.ts"
export * as Faults from "./Faults.ts"
export * as GatewayTest from "./GatewayTest.ts"
export * as MockNode from "./MockNode.ts"
export * as ProviderServer from "./ProviderServer.ts"
export * as ScriptedModel from "./ScriptedModel.ts"
export * as SpeakingNode from "./SpeakingNode.ts"
