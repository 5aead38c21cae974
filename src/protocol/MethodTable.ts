/**
 * The one table of methods. From it come the server's dispatch, `hello-ok.features.methods`, the typed client,
 * `openclaw gateway call`'s validation and the scope check.
 */
import * as Context from "effect/Context"
import type * as RpcGroup from "effect/rpc/RpcGroup"
import { AgentsMethods } from "./methods/agents.ts"
import { ApprovalMethods } from "./methods/approvals.ts"
import { ChannelsMethods } from "./methods/channels.ts"
import { ChatMethods } from "./methods/chat.ts"
import { CompactionMethods } from "./methods/compaction.ts"
import { ConfigMethods } from "./methods/config.ts"
import { DeadLetterMethods } from "./methods/deadLetters.ts"
import { DiagnosticsMethods } from "./methods/diagnostics.ts"
import { DeviceMethods } from "./methods/devices.ts"
import { HistoryMethods } from "./methods/history.ts"
import { HostMethods } from "./methods/host.ts"
import { ModelsMethods } from "./methods/models.ts"
import { NodeMethods } from "./methods/nodes.ts"
import { SessionMethods } from "./methods/sessions.ts"
import { SystemMethods } from "./methods/system.ts"
import { VoiceMethods } from "./methods/voice.ts"
import type { ErrorShape } from "./GatewayError.ts"
import { FailedAnswer, type Repeat, Repeating } from "./methods/method.ts"
import { type MethodAccess, RequiredScope } from "./Role.ts"

export const MethodTable = SystemMethods.merge(
  AgentsMethods,
  HostMethods,
  ModelsMethods,
  NodeMethods,
  DeviceMethods,
  ChatMethods,
  HistoryMethods,
  SessionMethods,
  CompactionMethods,
  DeadLetterMethods,
  DiagnosticsMethods,
  ApprovalMethods,
  ConfigMethods,
  ChannelsMethods,
  VoiceMethods
)

/** Any row of the table. */
export type Method = RpcGroup.Rpcs<typeof MethodTable>

/** Names of all methods, in the table's order. `connect` is not among them: it is the handshake. */
export const methodNames: ReadonlyArray<string> = Array.from(MethodTable.requests.keys())

/** What a method asks of its caller. A name that the table does not have is for admins, as in OpenClaw. */
export const accessOf = (name: string): MethodAccess => {
  const row = MethodTable.requests.get(name)
  return row === undefined ? "operator.admin" : Context.get(row.annotations, RequiredScope)
}

/** Whether a method may be asked once more when its answer was lost. */
export const repeatOf = (name: string): Repeat => {
  const row = MethodTable.requests.get(name)
  return row === undefined ? "never" : Context.get(row.annotations, Repeating)
}

/** The error that an answer's payload stands for: such an answer is sent `ok: false` with both. */
export const failedAnswer = (name: string, payload: unknown): ErrorShape | undefined => {
  const row = MethodTable.requests.get(name)
  return row === undefined ? undefined : Context.get(row.annotations, FailedAnswer)(payload)
}
