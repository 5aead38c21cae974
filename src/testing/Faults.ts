/**
 * Switches for what networks do: messages between the Gateway and its nodes, clients, the Bot API and models are lost, late,
 * doubled, or the connection is cut.
 *
 * **When to use**
 *
 * In a test of what happens when a node goes away in the middle of a call, a model falls silent, or Telegram's answer is lost.
 * `GatewayTest.layer` carries its links over these switches and gives the service; they do nothing until a test asks.
 *
 * **Details**
 *
 * A message is a `request` towards whoever is asked or an `answer` on its way back. A switch meets the next message that it
 * fits, once, unless it is told otherwise. Delays are slept on the test's clock, so that `TestClock.adjust` passes them.
 *
 * **Gotchas**
 *
 * A message that is lost is lost without a word: without a timeout of its own, whoever waits for it waits for ever.
 */
import * as Context from "effect/Context"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import * as Random from "effect/Random"
import * as Link from "./faults/Link.ts"

export type { Fate, FaultOptions, Link, LinkFaults, LinkMessage, Odds, Passed, Way } from "./faults/Link.ts"

export interface FaultsOptions {
  /** Decides about `chaos`: the same seed gives the same fates to the same messages. `"openclaw"` when left out. */
  readonly seed?: string | number
}

export class Faults extends Context.Service<
  Faults,
  {
    /** Between the Gateway and nodes: `MockNode`s, nodes of `extensions`, and who connects by `GatewayTest.connect` with role `node`. */
    readonly node: Link.LinkFaults
    /** Between the Gateway and operators that connect by `GatewayTest.connect` or `GatewayTest.client`. */
    readonly client: Link.LinkFaults
    /** Between the Gateway and the Bot API. */
    readonly botApi: Link.LinkFaults
    /** Between the Gateway and its language models. */
    readonly model: Link.LinkFaults
    /** A link of one's own by its name, made at first use; the four above have the names of their fields. */
    readonly link: (name: string) => Effect.Effect<Link.Link>
    /** Takes everything back, on every link. */
    readonly clear: Effect.Effect<void>
  }
>()("openclaw/testing/Faults") {}

/** Switches of their own, all off. */
export const make = Effect.fn("Faults.make")(function* (
  options: FaultsOptions = {}
): Effect.fn.Return<Faults["Service"]> {
  const seed = options.seed ?? "openclaw"
  const links = new Map<string, Link.Link>()
  const link = (name: string) =>
    Effect.suspend(() => {
      const known = links.get(name)
      if (known !== undefined) return Effect.succeed(known)
      return Effect.map(Random.withSeed(Random.Random, `${seed}/${name}`), (random) => {
        const made = Link.make(name, () => random.nextDoubleUnsafe())
        links.set(name, made)
        return made
      })
    })
  return {
    node: yield* link("node"),
    client: yield* link("client"),
    botApi: yield* link("botApi"),
    model: yield* link("model"),
    link,
    clear: Effect.suspend(() => Effect.forEach([...links.values()], ({ clear }) => clear, { discard: true }))
  }
})

/** The same as a service. `GatewayTest.layer` brings its own, unless one is there already. */
export const layer = (options: FaultsOptions = {}): Layer.Layer<Faults> => Layer.effect(Faults, make(options))
