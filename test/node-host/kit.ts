/** What the node host's tests stand on: real processes and files, a state directory in memory, a link without a socket. */
import * as NodeServices from "@effect/platform-node/NodeServices"
import * as Context from "effect/Context"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import * as Option from "effect/Option"
import * as PubSub from "effect/PubSub"
import * as Stream from "effect/Stream"
import * as SubscriptionRef from "effect/SubscriptionRef"
import * as SupervisorLive from "../../src/layers/Supervisor.ts"
import { closed, type Defaults, ExecApprovals } from "../../src/node-host/ExecApprovals.ts"
import { HostInfo } from "../../src/node-host/HostInfo.ts"
import { InvokeMemory } from "../../src/node-host/InvokeMemory.ts"
import { type LinkEvent, LinkFailed, type LinkState, type NodeLink } from "../../src/node-host/NodeLink.ts"
import { StateDir } from "../../src/services/StateDir.ts"

/** The files of the state directory by name. */
export class Files extends Context.Service<Files, Map<string, string>>()("test/Files") {}

const stateDir = Layer.effect(
  StateDir,
  Effect.map(Files, (files) =>
    StateDir.of({
      root: "/state",
      path: (...segments) => ["/state", ...segments].join("/"),
      read: (name) => Effect.sync(() => files.get(name)),
      write: (name, content) => Effect.sync(() => void files.set(name, content)),
      own: Effect.void,
      hold: () => Effect.void,
      holder: () => Effect.undefined,
      announce: () => Effect.void,
      owner: Effect.succeed(Option.none())
    })
  )
)

export const path = "/usr/local/bin:/usr/bin:/bin"

const host = HostInfo.layer({
  env: { PATH: path, HOME: "/home/someone", LANG: "C.UTF-8", OPENCLAW_GATEWAY_TOKEN: "canary", EDITOR: "vi" },
  cwd: "/"
})

export const open: Defaults = { security: "full", ask: "off", askFallback: "deny" }

/** Everything a node host needs; `defaults` is what it does without a file of its owner's. */
export const live = (defaults: Defaults = open) =>
  Layer.mergeAll(
    ExecApprovals.layer(defaults).pipe(Layer.provide(stateDir)),
    host,
    InvokeMemory.layerVolatile(),
    SupervisorLive.layer
  ).pipe(Layer.provideMerge(Layer.sync(Files, () => new Map<string, string>())), Layer.provideMerge(NodeServices.layer))

export const safe = live(closed)

export interface Sent {
  readonly method: string
  readonly params: { readonly [key: string]: unknown }
}

/** A link whose other end is the test. */
export const makeLink = Effect.gen(function* () {
  const events = yield* PubSub.unbounded<LinkEvent>({ replay: 16 })
  const state = yield* SubscriptionRef.make<LinkState>({ _tag: "Away", reason: "not yet" })
  const sent = yield* SubscriptionRef.make<ReadonlyArray<Sent>>([])
  let refusal: string | undefined

  const link: NodeLink = {
    events: Stream.fromPubSub(events),
    states: SubscriptionRef.changes(state),
    request: (method, params) =>
      Effect.suspend(() =>
        refusal === undefined
          ? Effect.asVoid(SubscriptionRef.update(sent, (all) => [...all, { method, params: params as Sent["params"] }]))
          : Effect.fail(new LinkFailed({ method, message: refusal, awaitsApproval: refusal.includes("approval") }))
      )
  }

  return {
    link,
    become: (next: LinkState) => SubscriptionRef.set(state, next),
    emit: (event: string, payload: unknown) => PubSub.publish(events, { event, payload }),
    refuse: (message: string | undefined) =>
      Effect.sync(() => {
        refusal = message
      }),
    sent: SubscriptionRef.get(sent),
    /** Waits until what was sent satisfies a condition. */
    until: (condition: (sent: ReadonlyArray<Sent>) => boolean) =>
      SubscriptionRef.changes(sent).pipe(
        Stream.filter(condition),
        Stream.take(1),
        Stream.runCollect,
        Effect.map((found) => found[0]!)
      )
  }
})

export const results = (sent: ReadonlyArray<Sent>) => sent.filter(({ method }) => method === "node.invoke.result")
