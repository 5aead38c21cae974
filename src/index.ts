/**
 * The library's front door: the Gateway as a Layer, its services, and the protocol.
 *
 * `openclaw/client` is the client, `openclaw/protocol` the wire alone, `openclaw/testing` the test kit. Each name is here because
 * an app says it: the services that a Gateway gives, the errors of its start and of those services, and what a channel or a
 * node of the app is made of.
 */
export * as Gateway from "./layers/embedding.ts"
export * as SessionKey from "./domain/SessionKey.ts"
export * as Protocol from "./protocol/index.ts"
export { VERSION } from "./domain/Version.ts"
export { ConnId, DeviceId, NodeId, RunId } from "./domain/Ids.ts"
export { AgentRunner, type PartialText, type TurnSteps } from "./services/AgentRunner.ts"
export { ToolApprovalUnsupported, ToolCall, ToolNameTaken } from "./services/AppTools.ts"
export {
  type Channel,
  ChannelInterrupted,
  ChannelLogoutFailed,
  type ChannelPolicy,
  ChannelUnauthorized,
  type Commit,
  type DeliveryAttempt,
  DeliveryFailed,
  DeliveryProgress,
  DeliveryReceipt,
  InboundMessage,
  InboxFailed,
  type LogoutResult,
  OutboundMedia,
  OutboundMessage,
  Peer,
  type UnreadMessage
} from "./services/Channel.ts"
export {
  AccessCodeNotFound,
  AccessRequest,
  AccessStorageFailed,
  ChannelAccess,
  ChannelNotConfigured,
  ChannelRouter,
  Channels,
  DeliveryNotFound,
  DeliveryStorageFailed,
  InvalidDestination,
  type MediaToSend,
  OpenDelivery
} from "./services/ChannelRouter.ts"
export {
  Config,
  ConfigChanged,
  ConfigInvalid,
  ConfigProblem,
  type ConfigSnapshot,
  ConfigUnreadable,
  SettingInvalid
} from "./services/Config.ts"
export type { OpenClawConfig } from "./services/ConfigSchema.ts"
export {
  DeadLetterNotFound,
  DeadLetterNotRetryable,
  type DeadLetterQueue,
  DeadLetters,
  DeadLettersUnavailable,
  type Retried
} from "./services/DeadLetters.ts"
export {
  type DeviceClaim,
  type DeviceDecision,
  DeviceNotFound,
  DeviceRegistry,
  type HandedToken,
  type SetupDecision,
  TokenNotGranted,
  type TokenReplaced,
  type UpgradeOutcome
} from "./services/DeviceRegistry.ts"
export { type BusEvent, EventBus, type Onlookers } from "./services/EventBus.ts"
export {
  type Approval,
  ApprovalAmbiguous,
  ApprovalIdTaken,
  ApprovalNotFound,
  ApprovalRefused,
  ApprovalsUnavailable,
  type Asker,
  DecisionUnavailable,
  ExecApprovals,
  type Granted,
  type HistoryPage,
  type NewApproval
} from "./services/ExecApprovals.ts"
export {
  AppServerUnusable,
  BindAddressMissing,
  BindRefused,
  type InProcessClient,
  InProcessClosed,
  type InProcessSocket,
  ListenFailed,
  PortInUse,
  type Restart,
  RestartRefused,
  type RestartRequest,
  TlsUnusable
} from "./services/Gateway.ts"
export { Models, ModelUnavailable, type ResolvedModel } from "./services/Models.ts"
export {
  ApproverLacksScope,
  CommandNotAllowed,
  IdempotencyConflict,
  type InvokeError,
  InvokeFailed,
  type InvokeOptions,
  type InvokeSuccess,
  InvokeTimeout,
  type NodeApproval,
  type NodeCommandContext,
  type NodeCommandHandler,
  NodeDisconnected,
  type NodeIdentity,
  NodeNotConnected,
  NodeRegistry,
  type NodeWire,
  PairingRequestNotFound,
  RegistryStorageFailed
} from "./services/NodeRegistry.ts"
export {
  type Conversation,
  DestinationNotAllowed,
  NodeEventReused,
  type NodeTurn,
  NodeTurnNotAccepted,
  NodeTurns,
  NothingSaid,
  type OwedReply,
  type SpeakingNode
} from "./services/NodeTurns.ts"
export {
  type Compacted,
  type Expected,
  LabelTaken,
  type ListOptions,
  type Page,
  SessionBusy,
  type SessionChange,
  SessionChanged,
  type SessionContext,
  SessionNotFound,
  type SessionPatch,
  SessionRoute,
  Sessions,
  SessionStorageFailed,
  type TranscriptEntry,
  type UsageOptions
} from "./services/Sessions.ts"
export { GatewayAlreadyRunning, StateDir, StateDirUnusable } from "./services/StateDir.ts"
export { type SupervisedFiber, type SupervisePolicy, Supervisor } from "./services/Supervisor.ts"
export { TraceNotFound, Traces, TracesUnavailable } from "./services/Traces.ts"
export {
  type AbortOrigin,
  CompactionResult,
  Folded,
  type KnownTurn,
  RunIdConflict,
  TurnMessage,
  TurnNotAccepted,
  TurnOutcome,
  TurnRequest,
  Turns,
  TurnUsage,
  type WaitingMessage
} from "./services/Turns.ts"
export { ChannelIdInvalid } from "./layers/channels/own.ts"
export { DatabaseUnusable } from "./layers/storage/Sqlite.ts"
