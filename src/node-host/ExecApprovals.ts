/**
 * Which programs a node runs: the node's own list, in `exec-approvals.json` of its state directory.
 */
import { createHash, randomUUID } from "node:crypto"
import * as Context from "effect/Context"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import {
  type ApprovalsFileRefused,
  type ApprovalsFileUnusable,
  closed,
  type Defaults,
  type Entry,
  open,
  type Policy,
  policyOf,
  type Snapshot,
  withEntry
} from "../services/ApprovalsFile.ts"
import { StateDir } from "../services/StateDir.ts"
import { CommandError, invalid } from "./CommandError.ts"

export { closed, type Defaults, type Entry, FILE, type Policy, type Snapshot } from "../services/ApprovalsFile.ts"

export class ExecApprovals extends Context.Service<
  ExecApprovals,
  {
    /** What counts for an agent now. Without an agent, only the defaults and the entries of `*` do. */
    readonly policy: (agentId: string | undefined) => Effect.Effect<Policy, CommandError>
    readonly get: Effect.Effect<Snapshot, CommandError>
    /** Replaces the document. `baseHash` must be the present one's; it may be left out while there is none. */
    readonly set: (file: unknown, baseHash: string | undefined) => Effect.Effect<Snapshot, CommandError>
    /** Puts a command on an agent's list, or on everybody's, because a person said so. */
    readonly allow: (agentId: string | undefined, entry: Entry) => Effect.Effect<Snapshot, CommandError>
  }
>()("openclaw/node-host/ExecApprovals") {
  static readonly layer = (defaults: Defaults = closed): Layer.Layer<ExecApprovals, never, StateDir> =>
    Layer.effect(ExecApprovals, make(defaults))
}

/** For whoever opens the list of a state directory on a Node process. */
export const tools = {
  hash: (content: string) => createHash("sha256").update(content).digest("hex"),
  newId: () => randomUUID()
}

const asCommandError = (error: ApprovalsFileRefused | ApprovalsFileUnusable) =>
  error._tag === "ApprovalsFileRefused"
    ? invalid(error.message)
    : new CommandError({ code: "UNAVAILABLE", message: error.message })

const make = Effect.fnUntraced(function* (defaults: Defaults) {
  const file = yield* open(yield* StateDir, tools)
  return ExecApprovals.of({
    policy: (agentId) =>
      Effect.map(Effect.mapError(file.document, asCommandError), (document) => policyOf(document, agentId, defaults)),
    get: Effect.mapError(file.get, asCommandError),
    set: Effect.fn("ExecApprovals.set")(function* (document, baseHash) {
      const snapshot = yield* Effect.mapError(file.set(document, baseHash), asCommandError)
      yield* Effect.logInfo("the exec approvals were replaced through the Gateway")
      return snapshot
    }),
    allow: Effect.fn("ExecApprovals.allow")((agentId, entry) =>
      Effect.mapError(
        file.update((document) => withEntry(document, agentId ?? "*", entry)),
        asCommandError
      )
    )
  })
})
