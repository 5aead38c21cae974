/**
 * What a node asks of an agent: somebody spoke to a device, or shared something there, and it becomes a turn. The reply goes
 * where its user is.
 */
import * as Context from "effect/Context"
import type * as Effect from "effect/Effect"
import * as Schema from "effect/Schema"
import type { ConnId, NodeId, RunId } from "../domain/Ids.ts"
import type { SessionKey } from "../domain/SessionKey.ts"
import type { NodeAgentRequest, VoiceTranscript } from "../protocol/NodeEvents.ts"

/** There are no words in it, or only the one that wakes the device. */
export class NothingSaid extends Schema.TaggedError<NothingSaid>()("NothingSaid", {}) {
  override get message() {
    return "nothing was said besides the wake word"
  }
}

/** The event's own id belongs to other words: they were taken in, these were not. */
export class NodeEventReused extends Schema.TaggedError<NodeEventReused>()("NodeEventReused", {
  runId: Schema.String
}) {
  override get message() {
    return `this event's id stands for other words already (run ${this.runId}); send these with an id of their own`
  }
}

/** A node may have a reply sent to the chat that its session was last spoken in, or to a person who may write to the bot. */
export class DestinationNotAllowed extends Schema.TaggedError<DestinationNotAllowed>()("DestinationNotAllowed", {
  reason: Schema.String
}) {
  override get message() {
    return `a node cannot have a reply sent there: ${this.reason}`
  }
}

/** Nothing was taken in; sending it again may help. */
export class NodeTurnNotAccepted extends Schema.TaggedError<NodeTurnNotAccepted>()("NodeTurnNotAccepted", {
  message: Schema.String
}) {}

/** A node that speaks for its user: paired and approved, which whoever calls has checked. */
export interface SpeakingNode {
  readonly nodeId: NodeId
  readonly connId: ConnId
  /** What people call it. */
  readonly displayName?: string | undefined
}

/** The conversation that is meant. Its agent is there, and it is one of the node's user. */
export interface Conversation {
  readonly key: SessionKey
  readonly agentId: string
}

/** `isNew` is false for an event that came before: it is the same turn. */
export interface NodeTurn {
  readonly runId: RunId
  readonly sessionKey: SessionKey
  readonly isNew: boolean
}

/** A turn whose end its node has not been told. */
export interface OwedReply {
  readonly runId: RunId
  readonly nodeId: NodeId
  readonly sessionKey: SessionKey
}

export class NodeTurns extends Context.Service<
  NodeTurns,
  {
    /**
     * Makes what a person said to a device a turn. When it returns the turn is on the disk. The same event again in the same
     * conversation is the same turn: by its own id for a week and 2,000 events of its node; by its words alone within 1.5
     * seconds, or within 30 when it comes over another connection, as after a cut.
     */
    readonly heard: (
      from: SpeakingNode,
      said: VoiceTranscript,
      conversation: Conversation
    ) => Effect.Effect<NodeTurn, NothingSaid | NodeEventReused | NodeTurnNotAccepted>
    /** The same for what somebody asked on a device in writing; its reply goes to a channel only where it says `deliver`. */
    readonly asked: (
      from: SpeakingNode,
      request: NodeAgentRequest,
      conversation: Conversation
    ) => Effect.Effect<NodeTurn, NothingSaid | NodeEventReused | DestinationNotAllowed | NodeTurnNotAccepted>
    /** The reply that a run's node is still to be told; `undefined` when it goes elsewhere or was told. */
    readonly owed: (runId: string) => OwedReply | undefined
    readonly owedTo: (nodeId: string) => ReadonlyArray<OwedReply>
    /** Tells it by `send`, which says whether it left; until it did it stays owed. Nobody else tells it meanwhile. */
    readonly tell: (reply: OwedReply, send: Effect.Effect<boolean>) => Effect.Effect<void>
  }
>()("openclaw/services/NodeTurns") {}
