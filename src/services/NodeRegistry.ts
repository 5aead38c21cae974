/**
 * Connected nodes, what they may run, and the invokes that wait for them.
 *
 * A node is a phone or a computer that connects with role `node` and declares commands. Before any of them may be
 * invoked an operator approves the declared surface. `invoke` reads the same whether the node hangs on a socket of this
 * Gateway or is a Layer in this process.
 */
import * as Context from "effect/Context"
import type * as Effect from "effect/Effect"
import * as Schema from "effect/Schema"
import type * as Scope from "effect/Scope"
import type { ConnId, NodeId } from "../domain/Ids.ts"
import type { NodeInvokeRequest } from "../protocol/EventTable.ts"
import type {
  NodeInvokeProgressParams,
  NodeInvokeResultParams,
  NodePluginTool,
  NodeRow,
  NodeSkill,
  PairedNode,
  PendingNode,
  PendingWork
} from "../protocol/methods/nodes.ts"

/** The node that is asked is not connected. */
export class NodeNotConnected extends Schema.TaggedError<NodeNotConnected>()("NodeNotConnected", {
  nodeId: Schema.String,
  /** The node is known but away, or was never seen. */
  known: Schema.Boolean
}) {
  override get message() {
    return this.known
      ? `node ${this.nodeId} is not connected; start it with \`openclaw node run\` on that machine`
      : `unknown nodeId ${this.nodeId}; \`openclaw nodes list\` shows the known ones`
  }
}

/** The command was not declared by the node, not approved by an operator, or not allowed by policy. */
export class CommandNotAllowed extends Schema.TaggedError<CommandNotAllowed>()("CommandNotAllowed", {
  nodeId: Schema.String,
  command: Schema.String,
  reason: Schema.Literals(["command not declared by node", "command not approved", "command not allowlisted"]),
  /** The request that waits for an operator. */
  requestId: Schema.optional(Schema.NonEmptyString)
}) {
  override get message() {
    switch (this.reason) {
      case "command not declared by node":
        return `node command not allowed: the node does not offer "${this.command}"`
      case "command not approved":
        return `node command not allowed: "${this.command}" awaits approval; ${
          this.requestId === undefined
            ? "it can be once the node reconnects and asks again"
            : `run \`openclaw nodes approve ${this.requestId}\``
        }`
      case "command not allowlisted":
        return `node command not allowed: "${this.command}" requires explicit gateway.nodes.commands.allow opt-in`
    }
  }
}

/** The node did not answer in time. Whether the command ran is not known. */
export class InvokeTimeout extends Schema.TaggedError<InvokeTimeout>()("InvokeTimeout", {
  nodeId: Schema.String,
  command: Schema.String,
  timeoutMs: Schema.Finite
}) {
  override get message() {
    return `node invoke timed out: "${this.command}" got no answer within ${this.timeoutMs} ms`
  }
}

/** The node's connection ended while the command ran. Whether it ran to its end is not known. */
export class NodeDisconnected extends Schema.TaggedError<NodeDisconnected>()("NodeDisconnected", {
  nodeId: Schema.String,
  command: Schema.String
}) {
  override get message() {
    return `node ${this.nodeId} disconnected while "${this.command}" ran; its outcome is unknown`
  }
}

/** The node ran the command and answered with an error of its own. */
export class InvokeFailed extends Schema.TaggedError<InvokeFailed>()("InvokeFailed", {
  nodeId: Schema.String,
  command: Schema.String,
  code: Schema.String,
  message: Schema.String
}) {}

/** The idempotency key is in use for another command or other params. */
export class IdempotencyConflict extends Schema.TaggedError<IdempotencyConflict>()("IdempotencyConflict", {
  key: Schema.String
}) {
  override get message() {
    return `idempotency key ${this.key} was used for another request; use a new key`
  }
}

export type InvokeError =
  | NodeNotConnected
  | CommandNotAllowed
  | InvokeTimeout
  | NodeDisconnected
  | InvokeFailed
  | IdempotencyConflict

/** No pairing request has this id: it was resolved, replaced by a newer one, or never made. */
export class PairingRequestNotFound extends Schema.TaggedError<PairingRequestNotFound>()("PairingRequestNotFound", {
  requestId: Schema.String
}) {
  override get message() {
    return `no pending pairing request ${this.requestId}; it may have been answered already`
  }
}

/** Whoever approves lacks a scope that the request needs. */
export class ApproverLacksScope extends Schema.TaggedError<ApproverLacksScope>()("ApproverLacksScope", {
  requestId: Schema.String,
  missingScope: Schema.String,
  requiredScopes: Schema.Array(Schema.String)
}) {
  override get message() {
    return `missing scope: ${this.missingScope}`
  }
}

/** The registry's storage failed; the request had no effect. */
export class RegistryStorageFailed extends Schema.TaggedError<RegistryStorageFailed>()("RegistryStorageFailed", {
  message: Schema.String
}) {}

/** What a node says of itself when it connects. */
export interface NodeIdentity {
  readonly nodeId: NodeId
  readonly connId: ConnId
  readonly clientId: string
  readonly clientMode: string
  readonly displayName?: string
  readonly platform?: string
  readonly version?: string
  readonly deviceFamily?: string
  readonly modelIdentifier?: string
  readonly remoteIp?: string
  readonly pathEnv?: string
  readonly caps: ReadonlyArray<string>
  readonly commands: ReadonlyArray<string>
  readonly permissions?: Readonly<Record<string, boolean>>
  /** It was let in by a code that an administrator made for it: the first surface that it declares counts as approved. */
  readonly trusted?: boolean
}

/** The way to a node that is connected. */
export interface NodeWire {
  /** Carries one request to the node. Fails when the connection is gone. */
  readonly send: (request: NodeInvokeRequest) => Effect.Effect<void, NodeNotConnected>
  /** Tells the node that nobody waits any longer for an invoke that it has not answered. */
  readonly cancel: (invokeId: string) => Effect.Effect<void>
  /** Ends the connection: the node has a newer one. */
  readonly retire: Effect.Effect<void>
}

/** Whether an operator approved a connected node's surface, and the request that waits for one. */
export interface NodeApproval {
  /** Also of a node that offers nothing to approve. */
  readonly approved: boolean
  /** An operator approved it: it may speak for its user. */
  readonly speaks: boolean
  readonly requestId?: string
}

export interface InvokeOptions {
  readonly nodeId: NodeId
  readonly command: string
  readonly params?: unknown
  /** Milliseconds; 30,000 when left out, at most 10 minutes. */
  readonly timeoutMs?: number
  readonly idempotencyKey: string
  readonly sessionKey?: string
  /**
   * For `system.run`: the approval behind it, as `ExecApprovals.spend` gave it. What `params` say of one themselves is never
   * passed on.
   */
  readonly approved?: { readonly id: string; readonly decision: "allow-once" | "allow-always" }
  /**
   * Asks what became of an earlier request with this key. For nodes that have `RECALL_CAP`; one that knows nothing of it
   * answers `NOT_REMEMBERED`.
   */
  readonly recall?: boolean
  /**
   * With `recall`: milliseconds since that request, or more. A node that is certain not to have begun it since then does so
   * now. Without it the command is not run.
   */
  readonly askedAgoMs?: number
  /**
   * The call goes on to its deadline when the caller leaves, and its answer waits in memory for who asks under the same key.
   * When very many go on so, one whose caller leaves ends.
   */
  readonly detached?: boolean
  /** Hears what the command says before it answers, in order. Of several callers under one key, the first hears it. */
  readonly onProgress?: (chunk: string) => Effect.Effect<void>
}

export interface InvokeSuccess {
  readonly nodeId: NodeId
  readonly command: string
  readonly payload?: unknown
  readonly payloadJSON?: string | null
}

/** What a command of an in-process node knows of its call. */
export interface NodeCommandContext {
  /** The same for the same call; a call that comes again under it was perhaps carried out already. */
  readonly idempotencyKey: string
  /** Tells the caller something before the answer. */
  readonly progress: (chunk: string) => Effect.Effect<void>
}

/** A command of an in-process node: params in, payload out. A failure's message reaches the caller as the node's error. */
export type NodeCommandHandler = (
  params: unknown,
  context: NodeCommandContext
) => Effect.Effect<unknown, { readonly message: string }>

export class NodeRegistry extends Context.Service<
  NodeRegistry,
  {
    /**
     * Registers a node's connection until the scope closes; closing it fails the node's pending invokes with
     * `NodeDisconnected`. A second connection of the same node retires and ends the first. A declared surface that is not approved
     * yet becomes a pending request (event `node.pair.requested`) and the node stays connected without commands.
     */
    readonly connect: (node: NodeIdentity, wire: NodeWire) => Effect.Effect<void, RegistryStorageFailed, Scope.Scope>
    /** A node that is a Layer in this process: approved as it is, no socket, same checks and deadlines. */
    readonly attach: (node: {
      readonly nodeId: NodeId
      readonly displayName?: string
      readonly commands: Readonly<Record<string, NodeCommandHandler>>
    }) => Effect.Effect<void, RegistryStorageFailed, Scope.Scope>
    /**
     * Runs one command. Checks: declared, approved, allowed by policy; one deadline; same key and request, same answer.
     * When the last caller gives up (deadline, interruption) the node is told to end the command.
     */
    readonly invoke: (options: InvokeOptions) => Effect.Effect<InvokeSuccess, InvokeError>
    /**
     * Takes a node's answer. `false` when nobody waits for it on this connection: a late answer, one for another node, or
     * one from a retired connection; it is dropped and logged.
     */
    readonly complete: (connId: ConnId, result: NodeInvokeResultParams) => Effect.Effect<boolean>
    /**
     * Takes what a running command says before its answer. `false` when nobody listens: the invoke is over, is another
     * connection's, or its caller does not care; or the chunk came before.
     */
    readonly progress: (connId: ConnId, progress: NodeInvokeProgressParams) => Effect.Effect<boolean>
    /** Replaces the plugin tools of this connection's node. Gives those that can be called: what has no approved command is left out. */
    readonly publishTools: (
      connId: ConnId,
      tools: ReadonlyArray<NodePluginTool>
    ) => Effect.Effect<ReadonlyArray<NodePluginTool>>
    /** Replaces the skills of this connection's node. */
    readonly publishSkills: (connId: ConnId, skills: ReadonlyArray<NodeSkill>) => Effect.Effect<void>
    /** Skills of connected nodes whose surface was approved, with their text. */
    readonly skills: (nodeId: string) => Effect.Effect<ReadonlyArray<NodeSkill>>
    /** Replaces what this connection's node says of its runner. */
    readonly publishFeatures: (connId: ConnId, features: ReadonlyArray<string>) => Effect.Effect<void>
    /** Takes `node.event`. `false` when the event is not one that the Gateway uses. */
    readonly event: (connId: ConnId, event: string, payload: unknown) => Effect.Effect<boolean>
    /** How it stands with the surface of this connection's node. */
    readonly approval: (connId: ConnId) => Effect.Effect<NodeApproval>
    readonly list: Effect.Effect<ReadonlyArray<NodeRow>, RegistryStorageFailed>
    readonly describe: (nodeId: string) => Effect.Effect<NodeRow, NodeNotConnected | RegistryStorageFailed>
    readonly pairing: Effect.Effect<
      { readonly pending: ReadonlyArray<PendingNode>; readonly paired: ReadonlyArray<PairedNode> },
      RegistryStorageFailed
    >
    /** Takes effect on the live connection; the node receives `node.pair.resolved`. */
    readonly approve: (
      requestId: string,
      approverScopes: ReadonlyArray<string>
    ) => Effect.Effect<PairedNode, PairingRequestNotFound | ApproverLacksScope | RegistryStorageFailed>
    readonly reject: (requestId: string) => Effect.Effect<NodeId, PairingRequestNotFound | RegistryStorageFailed>
    /** Gives a node a name of the operator's. `false`: no such node. */
    readonly rename: (nodeId: string, displayName: string) => Effect.Effect<boolean, RegistryStorageFailed>
    /** Forgets what a node was approved for, its request, its name and its waiting work. `false`: nothing was known of it. */
    readonly remove: (nodeId: string) => Effect.Effect<boolean, RegistryStorageFailed>
    /**
     * Leaves work until the node asks for it, also over a restart. One of a kind: asking again is the same work. Fails where the
     * node was never approved.
     */
    readonly enqueueWork: (work: {
      readonly nodeId: string
      readonly type: PendingWork["type"]
      readonly priority: "normal" | "high"
      /** Milliseconds; a day when left out. */
      readonly expiresInMs?: number | undefined
    }) => Effect.Effect<
      { readonly revision: number; readonly queued: PendingWork },
      NodeNotConnected | RegistryStorageFailed
    >
    /** Hands the oldest of the most urgent work over, and forgets it. */
    readonly drainWork: (
      nodeId: string,
      maxItems: number
    ) => Effect.Effect<
      { readonly revision: number; readonly items: ReadonlyArray<PendingWork>; readonly hasMore: boolean },
      RegistryStorageFailed
    >
  }
>()("openclaw/services/NodeRegistry") {}
