/**
 * Requests for more scopes by a device that is connected, and the answers to them.
 */
import * as Effect from "effect/Effect"
import * as PubSub from "effect/PubSub"
import { DeviceNotFound, type TokenReplaced, type UpgradeOutcome } from "../../services/DeviceRegistry.ts"
import { PairingRequestNotFound } from "../../services/NodeRegistry.ts"
import type { DeviceId } from "../../domain/Ids.ts"
import * as Time from "../now.ts"
import { type RequestRow, StoredClaim, tokenScopesOf } from "./rows.ts"
import { REQUEST_TTL_MS, type Store, stored, widened } from "./store.ts"
import type { Tokens } from "./tokens.ts"

export interface Answered {
  readonly requestId: string
  readonly deviceId: string
  readonly decision: "approved" | "rejected" | "expired"
}

/** Answers remembered for those who ask late. */
const MOST = 256

export const make = Effect.fnUntraced(function* (
  store: Store,
  tokens: Tokens,
  created: (row: RequestRow) => Effect.Effect<void>,
  replacements: PubSub.PubSub<TokenReplaced>
) {
  const news = yield* PubSub.unbounded<Answered>()
  /** Oldest first. */
  const known = new Map<string, Answered>()

  const answered = (answer: Answered) =>
    Effect.suspend(() => {
      known.set(answer.requestId, answer)
      for (const id of known.keys()) {
        if (known.size <= MOST) break
        known.delete(id)
      }
      return PubSub.publish(news, answer)
    })

  const request = Effect.fn("DeviceRegistry.requestUpgrade")(function* (
    deviceId: DeviceId,
    scopes: ReadonlyArray<string>
  ) {
    const asked = yield* Effect.gen(function* () {
      const device = yield* store.device(deviceId)
      const role = yield* store.role(deviceId, "operator")
      if (device === undefined || role === undefined) return undefined
      const claim: StoredClaim = {
        publicKey: device.public_key,
        role: "operator",
        scopes: widened([], scopes),
        clientId: device.client_id,
        clientMode: device.client_mode,
        ...(device.display_name === null ? undefined : { displayName: device.display_name }),
        ...(device.platform === null ? undefined : { platform: device.platform }),
        ...(device.device_family === null ? undefined : { deviceFamily: device.device_family }),
        ...(device.remote_ip === null ? undefined : { remoteIp: device.remote_ip })
      }
      return yield* store.ask(deviceId, claim, true)
    }).pipe(store.sql.withTransaction, stored)
    if (asked === undefined) return yield* new DeviceNotFound({ deviceId })
    if (asked.superseded !== undefined) {
      yield* answered({ requestId: asked.superseded, deviceId, decision: "expired" })
    }
    if (asked.created !== undefined) yield* created(asked.created)
    return asked.requestId
  })

  const outcome = Effect.fnUntraced(function* (deviceId: DeviceId, decision: Answered["decision"]) {
    if (decision !== "approved") return { status: decision } satisfies UpgradeOutcome as UpgradeOutcome
    const row = yield* stored(store.role(deviceId, "operator"))
    if (row === undefined || row.revoked_at !== null)
      return { status: "expired" } satisfies UpgradeOutcome as UpgradeOutcome
    return {
      status: "approved",
      deviceToken: tokens.issue(deviceId, "operator", row.token_id),
      scopes: tokenScopesOf(row)
    } satisfies UpgradeOutcome as UpgradeOutcome
  })

  const wait = Effect.fn("DeviceRegistry.awaitUpgrade")(function* (deviceId: DeviceId, requestId: string) {
    const answers = yield* PubSub.subscribe(news)
    const replaced = yield* PubSub.subscribe(replacements)
    const row = yield* stored(store.request(requestId))
    const late = known.get(requestId)
    if (row === undefined || row.device_id !== deviceId) {
      if (late?.deviceId === deviceId) return yield* outcome(deviceId, late.decision)
      return yield* new PairingRequestNotFound({ requestId })
    }
    const answer = PubSub.take(answers).pipe(
      Effect.repeat({ until: (candidate) => candidate.requestId === requestId }),
      Effect.map(({ decision }) => decision)
    )
    // What it waits on is closed with the token. It must not stay open for the wait, which nobody may end any more.
    const overtaken = PubSub.take(replaced).pipe(
      Effect.repeat({ until: (token) => token.deviceId === deviceId && token.role === "operator" }),
      Effect.map(({ reason }) =>
        reason === "upgraded" ? (known.get(requestId)?.decision ?? "expired") : ("expired" as const)
      )
    )
    const decision = yield* Effect.raceFirst(answer, overtaken).pipe(
      Effect.timeoutOrElse({
        duration: Math.max(0, row.ts + REQUEST_TTL_MS - (yield* Time.now)),
        orElse: () => Effect.succeed("expired" as const)
      })
    )
    return yield* outcome(deviceId, decision)
  }, Effect.scoped)

  return { answered, request, wait }
})
