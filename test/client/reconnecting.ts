/** A reconnecting client against the scripted Gateway. */
import * as Effect from "effect/Effect"
import * as Stream from "effect/Stream"
import * as SubscriptionRef from "effect/SubscriptionRef"
import { type ConnectionState, ReconnectingClient, type ReconnectOptions } from "../../src/client/index.ts"
import { fakeGateway, options } from "./fakeGateway.ts"

export const setup = (more: Partial<ReconnectOptions> = {}) =>
  Effect.gen(function* () {
    const gateway = yield* fakeGateway
    const client = yield* ReconnectingClient.make({ ...options(gateway.endpoint), ...more })
    return { gateway, client }
  })

/** The next state of this kind. */
export const until = <Tag extends ConnectionState["_tag"]>(client: ReconnectingClient["Service"], tag: Tag) =>
  SubscriptionRef.changes(client.state).pipe(
    Stream.filter((state): state is Extract<ConnectionState, { _tag: Tag }> => state._tag === tag),
    Stream.take(1),
    Stream.runCollect,
    Effect.map((states) => states[0] as Extract<ConnectionState, { _tag: Tag }>)
  )

/** A wrong shared secret, as a Gateway says it. */
export const mismatch = (canRetryWithDeviceToken: boolean) => ({
  code: "INVALID_REQUEST",
  message: "unauthorized: gateway token mismatch",
  details: { code: "AUTH_TOKEN_MISMATCH", canRetryWithDeviceToken, recommendedNextStep: "retry_with_device_token" }
})
