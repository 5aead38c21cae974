/**
 * `openclaw/client`: a typed client for any OpenClaw Gateway.
 *
 * `GatewayClient.make` is one connection; `ReconnectingClient.make` keeps one. Both give `call` (every method of the
 * protocol's table, typed), `request` (any method by name), and `events`. `resolveTarget` decides, as the command line
 * does, which Gateway is meant and which credentials it may see; `reach` opens the way to it.
 */
export * as Credential from "../domain/Credential.ts"
export * as Endpoint from "../domain/Endpoint.ts"
export * as SshTarget from "../domain/SshTarget.ts"
export * as Tunnels from "../services/TunnelManager.ts"
export * as TlsFingerprint from "../domain/TlsFingerprint.ts"
export type { CallOptions, Calls } from "./Calls.ts"
export type { ConnectOptions } from "./Connect.ts"
export { DEFAULT_PORT } from "../domain/Endpoint.ts"
export { resolveTarget, type Target, type TargetError, type TargetInput } from "./credentials.ts"
export { reach, type Reached, type ReachOptions, TunnelUnavailable } from "./reach.ts"
export * as DeviceIdentity from "./DeviceIdentity.ts"
export * as DeviceTokens from "./DeviceTokens.ts"
export * from "./errors.ts"
export { HostLookup } from "./finalHop.ts"
export type { GatewayEvent, KnownEvent, OtherEvent } from "./Events.ts"
export {
  type ClientApi,
  type ClientOptions,
  GatewayClient,
  type InProcessClientOptions,
  type Request,
  type RequestOptions
} from "./GatewayClient.ts"
export type { InProcessError, InProcessOptions } from "./inProcess.ts"
export type { SeqGap } from "./Link.ts"
export { type ConnectionState, ReconnectingClient, type ReconnectOptions } from "./ReconnectingClient.ts"
export { layer as tunnelsLayer, type TunnelOptions } from "./TunnelManager.ts"
