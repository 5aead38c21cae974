/**
 * A node over a real socket that a user speaks to: paired, approved by an operator, and told what becomes of what it heard.
 *
 * When to use: a test of what happens to a voice transcript. Pair it with `GatewayTest` and `BotApi`.
 */
import * as Effect from "effect/Effect"
import * as Queue from "effect/Queue"
import type * as Scope from "effect/Scope"
import * as Stream from "effect/Stream"
import * as DeviceIdentity from "../client/DeviceIdentity.ts"
import type { ConnectOptions } from "../client/Connect.ts"
import type { GatewayClient } from "../client/GatewayClient.ts"
import type { ConnectError } from "../client/errors.ts"
import { VERSION } from "../domain/Version.ts"
import type { ChatEvent } from "../protocol/EventTable.ts"
import type { TranscriptMessage } from "../protocol/methods/chat.ts"
import type { NodeAgentRequest, VoiceTranscript } from "../protocol/NodeEvents.ts"

type Client = GatewayClient["Service"]

export interface SpeakingNodeOptions {
  /** Connects to the Gateway under test, as `GatewayTest.connect` does. */
  readonly connect: (options?: Partial<ConnectOptions>) => Effect.Effect<Client, ConnectError, Scope.Scope>
  readonly displayName?: string
  /** The same device again; a new one when left out. */
  readonly device?: DeviceIdentity.DeviceIdentity
  /** `false`: nobody approves it. */
  readonly approved?: boolean
  /** It offers nothing, so that there is nothing to approve. */
  readonly bare?: boolean
}

const textOf = (content: TranscriptMessage["content"]): string =>
  typeof content === "string" ? content : content.map((part) => ("text" in part ? String(part.text) : "")).join("")

const COMMANDS = ["device.info"]

/** Connects until the scope closes. */
export const make = Effect.fn("SpeakingNode.make")(function* (options: SpeakingNodeOptions) {
  const device = options.device ?? (yield* DeviceIdentity.ephemeral)
  const client = yield* options.connect({
    client: {
      id: "openclaw-ios",
      mode: "node",
      version: VERSION,
      platform: "iOS 26.0",
      displayName: options.displayName ?? "Phone"
    },
    role: "node",
    scopes: [],
    caps: options.bare === true ? [] : ["voiceWake"],
    commands: options.bare === true ? [] : COMMANDS,
    device
  })
  const heard = yield* Queue.unbounded<ChatEvent>()
  yield* client.on("chat").pipe(
    Stream.runForEach((event) => Queue.offer(heard, event)),
    Effect.forkScoped({ startImmediately: true })
  )
  if (options.approved !== false) {
    const operator = yield* options.connect()
    const { pending } = yield* operator.call["node.pair.list"]({})
    const request = pending.find(({ nodeId }) => nodeId === `${device.id}`)
    if (request !== undefined) yield* operator.call["node.pair.approve"]({ requestId: request.requestId })
  }
  const event = (name: string, payload: unknown) =>
    client.call["node.event"]({ event: name, payloadJSON: JSON.stringify(payload) })
  return {
    device,
    client,
    event,
    /** What the microphone heard. */
    say: (text: string, more: Partial<VoiceTranscript> = {}) => event("voice.transcript", { text, ...more }),
    /** What somebody shared. */
    ask: (message: string, more: Partial<NodeAgentRequest> = {}) => event("agent.request", { message, ...more }),
    follow: (sessionKey: string) => event("chat.subscribe", { sessionKey }),
    unfollow: (sessionKey: string) => event("chat.unsubscribe", { sessionKey }),
    /** The next of a turn that the Gateway tells it. */
    next: Queue.take(heard),
    /** Waits for a turn's end and gives its text. */
    reply: Effect.repeat(Queue.take(heard), {
      until: ({ state }) => state === "final" || state === "aborted" || state === "error"
    }).pipe(
      Effect.map((end) => ({
        state: end.state,
        text: end.state === "error" ? (end.errorMessage ?? "") : textOf(end.message?.content ?? "")
      }))
    )
  }
})
