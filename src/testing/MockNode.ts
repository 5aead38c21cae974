/**
 * Nodes made of Effects: a map from command to Effect, attached to a `NodeRegistry` in this process.
 *
 * **When to use**
 *
 * In a test of what an agent does with devices. The registry treats them as any other node: same checks, same deadlines, same
 * errors. A test can look at the calls that arrived, hold an answer back until it says so, and let the node vanish in the middle
 * of a call.
 *
 * **Details**
 *
 * With `Faults` in its context, as inside of `GatewayTest.layer`, a node's calls pass over the link `node`: what is dropped on
 * the way never arrives, and a cut takes the node's connection away until `restore`.
 *
 * **Gotchas**
 *
 * A command that the node does not have never reaches it: the Gateway refuses it, and the model is told its name. Waiting for
 * such a call says so after three seconds.
 */
import * as Deferred from "effect/Deferred"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import * as Layer from "effect/Layer"
import * as Option from "effect/Option"
import * as Scope from "effect/Scope"
import * as Stream from "effect/Stream"
import * as SubscriptionRef from "effect/SubscriptionRef"
import { NodeId } from "../domain/Ids.ts"
import { type NodeCommandHandler, NodeRegistry, type RegistryStorageFailed } from "../services/NodeRegistry.ts"
import { attach } from "./faults/nodes.ts"
import { Faults } from "./Faults.ts"
import { stillWaiting } from "./stillWaiting.ts"

/** A command: an Effect, or a function of the params that gives one. A failure's message is the node's error. */
export type MockCommand = Effect.Effect<unknown, { readonly message: string }> | NodeCommandHandler

export interface MockNodeOptions {
  readonly nodeId: string
  readonly displayName?: string
  readonly commands: Readonly<Record<string, MockCommand>>
  /** The link of `Faults` that it hangs on, for faults that meet one node of several; `node` when left out. */
  readonly link?: string
}

/** One call as the node saw it. `running` until it ended one way or another. */
export interface MockCall {
  readonly command: string
  readonly params: unknown
  readonly idempotencyKey: string
  readonly state: "running" | "answered" | "failed" | "interrupted"
}

/** Calls of one command wait here. */
export interface MockHold {
  /** Lets every held call, and all later ones, go on. */
  readonly release: Effect.Effect<void>
}

export interface MockNode {
  readonly nodeId: NodeId
  /** All calls so far, oldest first. */
  readonly calls: Effect.Effect<ReadonlyArray<MockCall>>
  /** Waits until the calls satisfy a condition, and returns them. */
  readonly waitFor: (condition: (calls: ReadonlyArray<MockCall>) => boolean) => Effect.Effect<ReadonlyArray<MockCall>>
  /** From now on calls of this command wait before they run. */
  readonly hold: (command: string) => Effect.Effect<MockHold>
  /** The connection is gone at once, calls in the middle included. */
  readonly vanish: Effect.Effect<void>
  /** Connects again after `vanish`. */
  readonly comeBack: Effect.Effect<void, RegistryStorageFailed>
}

/** Attaches a node until the scope closes. */
export const make = Effect.fn("MockNode.make")(function* (
  options: MockNodeOptions
): Effect.fn.Return<MockNode, RegistryStorageFailed, NodeRegistry | Scope.Scope> {
  const registry = yield* NodeRegistry
  const outer = yield* Effect.scope
  const nodeId = NodeId.make(options.nodeId)
  const calls = yield* SubscriptionRef.make<ReadonlyArray<MockCall>>([])
  const gates = new Map<string, Deferred.Deferred<void>>()
  const faults = yield* Effect.serviceOption(Faults)
  const link = Option.isNone(faults) ? undefined : yield* faults.value.link(options.link ?? "node")

  const record = (command: string, handler: MockCommand): NodeCommandHandler =>
    Effect.fnUntraced(function* (params, context) {
      const index = yield* SubscriptionRef.modify(calls, (before) => [
        before.length,
        [...before, { command, params, idempotencyKey: context.idempotencyKey, state: "running" as const }]
      ])
      const gate = gates.get(command)
      const effect = Effect.isEffect(handler) ? handler : Effect.suspend(() => handler(params, context))
      return yield* Effect.andThen(gate === undefined ? Effect.void : Deferred.await(gate), effect).pipe(
        Effect.onExit((exit) =>
          SubscriptionRef.update(calls, (all) =>
            all.map((call, at) => (at === index ? { ...call, state: ended(exit) } : call))
          )
        )
      )
    })

  const commands = Object.fromEntries(
    Object.entries(options.commands).map(([name, handler]) => [name, record(name, handler)])
  )
  let connection: Scope.Closeable | undefined
  const vanish = Effect.suspend(() => {
    const scope = connection
    connection = undefined
    return scope === undefined ? Effect.void : Scope.close(scope, Exit.void)
  })
  const comeBack = Effect.gen(function* () {
    yield* vanish
    const scope = yield* Scope.fork(outer)
    const { displayName } = options
    const node = { nodeId, commands, ...(displayName === undefined ? undefined : { displayName }) }
    yield* Scope.provide(scope)(link === undefined ? registry.attach(node) : attach(link, registry, node))
    connection = scope
  })
  yield* comeBack

  return {
    nodeId,
    calls: SubscriptionRef.get(calls),
    waitFor: (condition) =>
      SubscriptionRef.changes(calls).pipe(
        Stream.filter(condition),
        Stream.take(1),
        Stream.runCollect,
        Effect.map((found) => found[0] ?? []),
        stillWaiting(
          Effect.map(SubscriptionRef.get(calls), (all) =>
            [
              `MockNode "${nodeId}" still waits for its calls to satisfy the test. So far: ${all.length === 0 ? "none" : all.map(told).join("; ")}.`,
              `It has ${Object.keys(options.commands).join(", ") || "no commands"}; another command never reaches it.`
            ].join(" ")
          )
        )
      ),
    hold: (command) =>
      Effect.sync(() => {
        const gate = Deferred.makeUnsafe<void>()
        gates.set(command, gate)
        return {
          release: Effect.suspend(() => {
            if (gates.get(command) === gate) gates.delete(command)
            return Effect.asVoid(Deferred.succeed(gate, undefined))
          })
        }
      }),
    vanish,
    comeBack
  }
})

const told = ({ command, params, state }: MockCall): string => `${command} ${JSON.stringify(params)} (${state})`

const ended = (exit: Exit.Exit<unknown, unknown>): MockCall["state"] =>
  Exit.isSuccess(exit) ? "answered" : Exit.hasInterrupts(exit) ? "interrupted" : "failed"

/** A node for as long as the layer lives, when a test needs no hold of it. */
export const layer = (options: MockNodeOptions): Layer.Layer<never, RegistryStorageFailed, NodeRegistry> =>
  Layer.effectDiscard(make(options))
