/**
 * Which conversations a node may speak in and follow: those of its user. A node is approved for its commands, not to read
 * what other people say to the agent.
 */
import type { NodeId } from "../../domain/Ids.ts"
import type { SessionKey } from "../../domain/SessionKey.ts"
import type { OpenClawConfig } from "../../services/ConfigSchema.ts"
import type { SessionRoute } from "../../services/Sessions.ts"
import { ownersOf } from "../approvals/approvers.ts"

/** The name of the session that a node has of its own. */
export const ownName = (nodeId: NodeId): string => `node-${nodeId}`

/**
 * Not another node's own session; and one that a person of a channel has apart from the main one only where an owner was the
 * last to write there. `route`: who that was.
 */
export const mayName = (
  config: OpenClawConfig,
  nodeId: NodeId,
  key: SessionKey,
  route: SessionRoute | undefined
): boolean => {
  const name = key.replace(/^agent:[^:]+:/, "")
  if (name.startsWith("node-")) return name === ownName(nodeId)
  if (!/(?:^|:)(?:direct|group):/.test(name)) return true
  return route !== undefined && ownersOf(config, route.peer.channel).includes(route.senderId)
}
