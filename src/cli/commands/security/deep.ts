/**
 * What a Gateway that runs says of itself: whether it answers, and who was let in.
 */
import * as Clock from "effect/Clock"
import * as Effect from "effect/Effect"
import { devices } from "../../../layers/security/devices.ts"
import { type Finding, finding } from "../../../layers/security/Finding.ts"
import { target } from "../../gateway.ts"
import { probe } from "../../probe.ts"

export const deep = Effect.fnUntraced(function* (timeoutMs: number) {
  const { endpoint } = yield* target
  const reached = yield* probe({ scopes: ["operator.pairing"], timeoutMs }, (client) =>
    client.call["device.pair.list"]({})
  )
  const url = String(endpoint)
  if (reached.ok) {
    const found = devices(reached.answer, yield* Clock.currentTimeMillis)
    return { findings: found, deep: { gateway: { attempted: true, url, ok: true, error: null } } }
  }
  const unanswered: Finding = finding(
    "gateway.probe_failed",
    "warn",
    "The Gateway could not be asked",
    `${url}: ${reached.error.message.split("\n", 1)[0]}`,
    "start it with `openclaw gateway run`, or name one that runs with --url and its --token"
  )
  return {
    findings: [unanswered],
    deep: { gateway: { attempted: true, url, ok: false, error: reached.error.message } }
  }
})
