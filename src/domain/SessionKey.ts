/**
 * Session keys, written as OpenClaw writes them: `agent:<agentId>:<rest>`.
 *
 * A key names one conversation. Two messages with the same key are handled one after the other;
 * messages with different keys are handled side by side.
 */
import * as Schema from "effect/Schema"

/** One conversation's key, for example `agent:main:main` or `agent:main:telegram:group:-100123`. At most 512 characters. */
export const SessionKey = Schema.String.pipe(
  Schema.check(Schema.isMinLength(1), Schema.isMaxLength(512)),
  Schema.brand("SessionKey")
)
export type SessionKey = typeof SessionKey.Type

/** The agent's main conversation, which direct messages share unless `session.dmScope` says otherwise. */
export const main = (agentId: string, mainKey = "main"): SessionKey => SessionKey.make(`agent:${agentId}:${mainKey}`)

/** A group conversation on a channel; `threadId` names a forum topic inside it. */
export const group = (agentId: string, channel: string, groupId: string, threadId?: string): SessionKey =>
  SessionKey.make(`agent:${agentId}:${channel}:group:${groupId}${threadId === undefined ? "" : `:topic:${threadId}`}`)

/** A direct conversation of its own, for `session.dmScope: "per-peer" | "per-channel-peer" | "per-account-channel-peer"`. */
export const direct = (
  agentId: string,
  scope: "per-peer" | "per-channel-peer" | "per-account-channel-peer",
  peer: { readonly channel: string; readonly accountId: string; readonly peerId: string }
): SessionKey => {
  switch (scope) {
    case "per-peer":
      return SessionKey.make(`agent:${agentId}:direct:${peer.peerId}`)
    case "per-channel-peer":
      return SessionKey.make(`agent:${agentId}:${peer.channel}:direct:${peer.peerId}`)
    case "per-account-channel-peer":
      return SessionKey.make(`agent:${agentId}:${peer.channel}:${peer.accountId}:direct:${peer.peerId}`)
  }
}

/** The agent id inside a key, or `undefined` when the key does not have the form `agent:<agentId>:…`. */
export const agentIdOf = (key: SessionKey): string | undefined => /^agent:([^:]+):/.exec(key)?.[1]
