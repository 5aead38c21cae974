/**
 * The engine under sessions and turns: `effect/cluster` with one runner, this process, and workflows on top of it.
 *
 * The runner is put together here and not by `SingleRunner`, which reads its settings from environment variables with
 * names as common as `HOST` and `PORT`. Mailboxes and results are in the `SqlClient`'s database; who runs what is in
 * memory, because the state directory has one owner.
 */
import * as NodeCrypto from "@effect/platform-node/NodeCrypto"
import * as ClusterWorkflowEngine from "effect/cluster/ClusterWorkflowEngine"
import * as MessageStorage from "effect/cluster/MessageStorage"
import type * as Reply from "effect/cluster/Reply"
import * as RunnerHealth from "effect/cluster/RunnerHealth"
import * as Runners from "effect/cluster/Runners"
import * as RunnerStorage from "effect/cluster/RunnerStorage"
import * as Sharding from "effect/cluster/Sharding"
import * as ShardingConfig from "effect/cluster/ShardingConfig"
import * as SqlMessageStorage from "effect/cluster/SqlMessageStorage"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import * as Option from "effect/Option"
import type * as Rpc from "effect/rpc/Rpc"
import type * as SqlClient from "effect/sql/SqlClient"
import type * as WorkflowEngine from "effect/workflow/WorkflowEngine"
import { StorageHealth } from "../../services/StorageHealth.ts"
import { storageRetry } from "./Patience.ts"

export interface EngineOptions {
  /**
   * Milliseconds that a running turn is given to end when the process shuts down; then it is cut, to resume later. 2,000
   * when left out.
   */
  readonly shutdownGraceMs?: number
}

/** What session actors and turns run on, wherever it is: this layer, or a cluster of several machines. */
export type Engine = Sharding.Sharding | MessageStorage.MessageStorage | WorkflowEngine.WorkflowEngine

const config = (options: EngineOptions) =>
  ShardingConfig.layer({
    // Every shard has a cost at start; one process needs few.
    shardsPerGroup: 16,
    // Local sends wake the reader at once. This interval only serves durable clocks and retries after storage errors.
    entityMessagePollInterval: "5 seconds",
    // Only read while somebody waits for a turn that was submitted before.
    entityReplyPollInterval: "100 millis",
    // There is never another runner to notice.
    refreshAssignmentsInterval: "10 minutes",
    shardLockRefreshInterval: "1 minute",
    shardLockExpiration: "5 minutes",
    entityMaxIdleTime: "10 seconds",
    // Session actors are waited for first and their workflows after them, so a turn is waited for twice.
    entityTerminationTimeout: (options.shutdownGraceMs ?? 2_000) / 2,
    simulateRemoteSerialization: false
  })

/**
 * The engine tries four times to store an answer and then loses it: whoever waits for it waits until the next start. So
 * an answer waits here until there is storage for it.
 */
const storage = Layer.effect(
  MessageStorage.MessageStorage,
  Effect.gen(function* () {
    const sql = yield* MessageStorage.MessageStorage
    const health = yield* Effect.serviceOption(StorageHealth)
    /** Trouble of the storage is told there, once and not by everyone who waits. */
    const isTold = () => Option.isSome(health) && health.value.statusUnsafe().condition !== "ok"
    const saveReply = <R extends Rpc.Any>(reply: Reply.ReplyWithContext<R>) =>
      Effect.suspend(() => {
        let failures = 0
        return sql.saveReply(reply).pipe(
          Effect.tapError((error) =>
            failures++ > 0 || isTold()
              ? Effect.logDebug("storing an answer failed again", error)
              : Effect.logError("storing an answer failed and is tried again", error)
          ),
          Effect.retry({ ...storageRetry, while: (error) => error._tag === "PersistenceError" })
        )
      })
    return { ...sql, saveReply }
  })
).pipe(Layer.provide(SqlMessageStorage.layer))

export const layer = (options: EngineOptions = {}): Layer.Layer<Engine, never, SqlClient.SqlClient> =>
  ClusterWorkflowEngine.layer.pipe(
    Layer.provideMerge(Sharding.layer),
    Layer.provide(Runners.layerNoop),
    Layer.provideMerge(storage),
    Layer.provide([RunnerStorage.layerMemory, RunnerHealth.layerNoop, NodeCrypto.layerDigest]),
    Layer.provide(config(options))
  )
