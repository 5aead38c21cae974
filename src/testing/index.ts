/**
 * `openclaw/testing`: a Gateway on the clock of a test, mocked nodes, a scripted model, the Bot API in memory or on a port, a
 * provider's server, a node that is spoken to, and switches that lose, delay, double and cut what passes between them.
 *
 * docs/testing.md is the guide.
 */
export * as BotApi from "./BotApi.ts"
export * as Faults from "./Faults.ts"
export * as GatewayTest from "./GatewayTest.ts"
export * as MockNode from "./MockNode.ts"
export * as ProviderServer from "./ProviderServer.ts"
export * as ScriptedModel from "./ScriptedModel.ts"
export * as SpeakingNode from "./SpeakingNode.ts"
