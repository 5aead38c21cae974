/**
 * `sessions.compact`: asks for a turn that compacts, and answers when it has ended.
 */
import { randomUUID } from "node:crypto"
import * as Effect from "effect/Effect"
import { RunId } from "../../../domain/Ids.ts"
import type { SessionKey } from "../../../domain/SessionKey.ts"
import { invalidRequest } from "../../../protocol/GatewayError.ts"
import { CompactionMethods } from "../../../protocol/methods/compaction.ts"
import { Config } from "../../../services/Config.ts"
import { Sessions } from "../../../services/Sessions.ts"
import { Turns } from "../../../services/Turns.ts"
import { COMPACTED_MESSAGES, keepTokensOf } from "../../agent/compaction/compact.ts"
import { planOf } from "../../agent/compaction/plan.ts"
import * as Time from "../../now.ts"
import { Access } from "../Access.ts"
import * as Agents from "../Agents.ts"
import * as SessionRows from "../SessionRows.ts"
import { storageFailed, turnNotAccepted } from "./errors.ts"

export const layer = CompactionMethods.middleware(Access).toLayerHandler(
  "sessions.compact",
  Effect.gen(function* () {
    const config = yield* Config
    const sessions = yield* Sessions
    const turns = yield* Turns

    const refuseBusy = Effect.fnUntraced(function* (name: string, key: SessionKey) {
      if ((yield* turns.waiting(key)).length > 0) {
        return yield* invalidRequest(`Session ${name} has queued work; retry after it finishes.`)
      }
      if ((yield* turns.inFlight(key)) !== undefined) {
        return yield* invalidRequest(`Session ${name} has an active run; retry after it finishes.`)
      }
    })

    const truncate = Effect.fnUntraced(function* (name: string, key: SessionKey, keep: number) {
      yield* refuseBusy(name, key)
      const { kept, removed } = yield* sessions
        .truncate(key, keep)
        .pipe(
          Effect.mapError((error) =>
            error._tag === "SessionBusy"
              ? invalidRequest(`Session ${name} has an active run; retry after it finishes.`)
              : storageFailed(error)
          )
        )
      return { ok: true, key, compacted: removed > 0, kept }
    })

    return Effect.fn("Gateway.sessions.compact")(function* ({ agentId: wanted, key: name, maxLines }) {
      const find = wanted === undefined ? Agents.sessionKey : Agents.liveSessionKey
      const { agentId, key } = yield* find(name, wanted)
      const nothing = (reason: string, ok = true) => ({ ok, key, compacted: false, reason })
      const row = yield* Effect.mapError(sessions.describe(key), storageFailed)
      if (row === undefined) return nothing("no sessionId")
      const { total } = yield* Effect.mapError(sessions.page(key, { limit: 1 }), storageFailed)
      if (total === 0) return nothing("no transcript")
      yield* SessionRows.notArchived(key)
      if (maxLines !== undefined) return yield* truncate(name, key, maxLines)
      yield* Agents.liveSessionKey(name, wanted)
      const context = yield* Effect.mapError(sessions.context(key, COMPACTED_MESSAGES), storageFailed)
      const plan = planOf(context, keepTokensOf(yield* Effect.mapError(config.get, storageFailed)))
      if ("reason" in plan) return nothing(plan.reason, false)
      yield* refuseBusy(name, key)
      const runId = RunId.make(randomUUID())
      yield* turns
        .submit({
          runId,
          sessionKey: key,
          agentId,
          text: "/compact",
          receivedAt: yield* Time.now,
          compact: { quiet: true }
        })
        .pipe(Effect.mapError(turnNotAccepted))
      const { compaction, status, text } = yield* Effect.mapError(turns.await(runId, key), turnNotAccepted)
      if (compaction === undefined) return nothing(status === "aborted" ? "stopped before it was done" : text, false)
      const { compacted, reason, tokensAfter, tokensBefore } = compaction
      return {
        ok: status === "ok",
        key,
        compacted,
        ...(reason === undefined ? undefined : { reason }),
        ...(compacted ? { result: { tokensBefore, tokensAfter } } : undefined)
      }
    })
  })
)
