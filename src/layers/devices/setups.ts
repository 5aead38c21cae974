/**
 * Setup codes: a secret that an administrator hands to one device, good for one pairing within ten minutes.
 *
 * The secret is stored as its hash. The first device that shows it is the only one that may; it is spent in the same
 * transaction that lets the device in. What became of a code is kept for a day, so that whoever showed it can ask.
 */
import { createHash, randomBytes, randomUUID } from "node:crypto"
import * as Effect from "effect/Effect"
import * as Schema from "effect/Schema"
import { SetupAccess, type SetupOutcome } from "../../protocol/methods/devices.ts"
import { covers } from "../../protocol/Role.ts"
import type {
  DeviceClaim,
  DeviceDecision,
  HandedToken,
  SetupDecision,
  TokenReplaced
} from "../../services/DeviceRegistry.ts"
import type { EventBus } from "../../services/EventBus.ts"
import { platformOf } from "../nodes/policy.ts"
import * as Time from "../now.ts"
import type { Verdict } from "./judge.ts"
import { claimOf, type Store, stored } from "./store.ts"

const LIFE_MS = 600_000
const KEPT_MS = 86_400_000
/** Codes kept at most; the oldest goes first. */
const MAX_SETUPS = 256

/** What a phone's operator token carries; OpenClaw's names, some of which grant nothing here. */
const limitedScopes: ReadonlyArray<string> = [
  "operator.approvals",
  "operator.questions",
  "operator.read",
  "operator.talk.secrets",
  "operator.write"
]
const handedScopes: Readonly<Record<SetupAccess, ReadonlyArray<string> | undefined>> = {
  full: ["operator.admin", ...limitedScopes],
  limited: limitedScopes,
  node: undefined
}

/** Whether an operator asks for no more than the code's own token would carry. */
const isWithin = ({ role, scopes }: DeviceClaim, access: SetupAccess): boolean =>
  role === "node" || scopes.every((scope) => covers(handedScopes[access] ?? [], scope))

const phones: ReadonlyMap<string, ReturnType<typeof platformOf>> = new Map([
  ["openclaw-ios", "ios"],
  ["openclaw-watchos", "watchos"],
  ["openclaw-android", "android"]
])

/** An app that says it is one, on the platform that it is for. */
const isPhone = (claim: DeviceClaim): boolean =>
  phones.get(claim.clientId) === platformOf(claim.platform, claim.deviceFamily) && phones.has(claim.clientId)

const SetupRow = Schema.Struct({
  setup_id: Schema.String,
  access: SetupAccess,
  expires_at: Schema.Natural,
  device_id: Schema.NullOr(Schema.String),
  device_name: Schema.NullOr(Schema.String),
  consumed_at: Schema.NullOr(Schema.Natural),
  outcome: Schema.NullOr(Schema.Literals(["uncertain", "completed"])),
  outcome_at: Schema.NullOr(Schema.Natural)
})
type SetupRow = typeof SetupRow.Type
const decodeSetups = Schema.decodeUnknownEffect(Schema.Array(SetupRow))

const hash = (token: string) => createHash("sha256").update(token, "utf8").digest("base64url")

const outcomeOf = (row: SetupRow): SetupOutcome | undefined =>
  row.device_id === null || row.outcome_at === null
    ? undefined
    : {
        setupId: row.setup_id,
        deviceId: row.device_id,
        ...(row.device_name === null || row.device_name === "" ? undefined : { deviceName: row.device_name }),
        access: row.access,
        ts: row.outcome_at
      }

export const make = (
  store: Store,
  judge: (claim: DeviceClaim, silent: boolean) => Effect.Effect<Verdict, { readonly message: string }>,
  announce: (verdict: Omit<Verdict, "decision">) => Effect.Effect<void>,
  events: EventBus["Service"]
) => {
  const { sql } = store

  const prune = Effect.fnUntraced(function* (now: number) {
    yield* sql`DELETE FROM device_setups WHERE expires_at <= ${now - KEPT_MS}`
    yield* sql`
      DELETE FROM device_setups WHERE setup_id NOT IN
        (SELECT setup_id FROM device_setups ORDER BY expires_at DESC, setup_id LIMIT ${MAX_SETUPS})`
  })

  const issue = Effect.fn("DeviceRegistry.setups.issue")(function* (access: SetupAccess) {
    const expiresAtMs = (yield* Time.now) + LIFE_MS
    const setupId = randomUUID()
    const token = randomBytes(32).toString("base64url")
    yield* Effect.gen(function* () {
      yield* sql`
        INSERT INTO device_setups (setup_id, token_hash, access, expires_at)
        VALUES (${setupId}, ${hash(token)}, ${access}, ${expiresAtMs})`
      yield* prune(expiresAtMs - LIFE_MS)
    }).pipe(sql.withTransaction, stored)
    return { setupId, token, expiresAtMs }
  })

  /** The code that this secret is of, if this device may use it. */
  const find = Effect.fnUntraced(function* (claim: DeviceClaim, token: string) {
    const now = yield* Time.now
    const [row] = yield* decodeSetups(
      yield* sql`
        SELECT setup_id, access, expires_at, device_id, device_name, consumed_at, outcome, outcome_at
        FROM device_setups WHERE token_hash = ${hash(token)} AND consumed_at IS NULL AND expires_at > ${now}`
    )
    if (row === undefined || (row.device_id !== null && row.device_id !== claim.deviceId)) return undefined
    return row.access === "node" && claim.role !== "node" ? undefined : row
  })

  /** Lets the device in on the strength of the code alone. */
  const admit = Effect.fnUntraced(function* (claim: DeviceClaim, access: SetupAccess) {
    const replaced: Array<TokenReplaced | undefined> = []
    replaced.push(yield* store.grant(claim.deviceId, claimOf(claim), "bootstrap"))
    const primary = yield* store.admitted(claim.deviceId, claim.role, claim.scopes)
    const scopes = handedScopes[access]
    const handed: Array<HandedToken> = []
    if (scopes !== undefined) {
      replaced.push(yield* store.grant(claim.deviceId, { ...claimOf(claim), role: "operator", scopes }, "bootstrap"))
      const operator = yield* store.admitted(claim.deviceId, "operator", scopes)
      if (operator.decision._tag === "Approved") {
        const { issuedAtMs, token } = operator.decision
        handed.push({ deviceToken: token, role: "operator", scopes, issuedAtMs })
      }
    }
    return { decision: primary.decision, handed, replaced: [...replaced, primary.replaced] }
  })

  const decide = Effect.fnUntraced(function* (claim: DeviceClaim, token: string, silent: boolean) {
    const setup = yield* find(claim, token)
    if (setup === undefined) return { redeemed: { _tag: "Invalid" } satisfies SetupDecision as SetupDecision, news: [] }
    yield* sql`UPDATE device_setups SET device_id = ${claim.deviceId} WHERE setup_id = ${setup.setup_id}`
    const trusted = claim.role === "node" && (setup.access === "node" || isPhone(claim))
    const news: Array<Omit<Verdict, "decision">> = []
    let decision: DeviceDecision
    let handed: ReadonlyArray<HandedToken> = []
    if (trusted) {
      const admitted = yield* admit(claim, setup.access)
      decision = admitted.decision
      handed = admitted.handed
      for (const replaced of admitted.replaced) news.push({ replaced })
    } else {
      // Who may be let in without a person is so for what the code is for, and no more.
      const verdict = yield* judge(claim, silent && isWithin(claim, setup.access))
      decision = verdict.decision
      news.push(verdict)
    }
    if (decision._tag === "Approved") {
      const now = yield* Time.now
      // Uncertain until the device was sent its tokens: the secret is spent either way.
      yield* sql`
        UPDATE device_setups SET consumed_at = ${now}, device_name = ${claim.displayName ?? null}, outcome = 'uncertain', outcome_at = ${now}
        WHERE setup_id = ${setup.setup_id}`
    }
    const redeemed: SetupDecision = { _tag: "Decided", decision, setupId: setup.setup_id, trusted, handed }
    return { redeemed, news }
  })

  const status = Effect.fn("DeviceRegistry.setups.status")(function* (setupId: string) {
    const [row] = yield* stored(
      Effect.flatMap(
        sql`
          SELECT setup_id, access, expires_at, device_id, device_name, consumed_at, outcome, outcome_at
          FROM device_setups WHERE setup_id = ${setupId}`,
        decodeSetups
      )
    )
    const outcome = row === undefined ? undefined : outcomeOf(row)
    if (row === undefined || outcome === undefined) return {}
    return row.outcome === "completed" ? { completion: outcome } : { deliveryUncertain: outcome }
  })

  return {
    issue,
    status,
    redeem: Effect.fn("DeviceRegistry.setups.redeem")(function* (
      claim: DeviceClaim,
      token: string,
      options: { readonly silent: boolean }
    ) {
      const { news, redeemed } = yield* stored(sql.withTransaction(decide(claim, token, options.silent)))
      yield* Effect.forEach(news, announce, { discard: true })
      return redeemed
    }),
    delivered: Effect.fn("DeviceRegistry.setups.delivered")(function* (setupId: string, sure: boolean) {
      const now = yield* Time.now
      if (sure) {
        yield* stored(
          sql`UPDATE device_setups SET outcome = 'completed', outcome_at = ${now} WHERE setup_id = ${setupId} AND outcome = 'uncertain'`
        )
      }
      const { completion, deliveryUncertain } = yield* status(setupId)
      if (completion !== undefined) yield* events.publish("device.pair.setup.completed", completion)
      if (deliveryUncertain !== undefined) {
        yield* events.publish("device.pair.setup.deliveryUncertain", deliveryUncertain)
      }
    })
  }
}
