/**
 * Nodes made of Effects: a map from command to Effect, attached to a `NodeRegistry` in this process.
 *
 * The registry treats them as any other node: same checks, same deadlines, same errors. A test can look at the calls that
 * arrived, hold an answer back until it says so, and let the node vanish in the middle of a call.
 */
import * as Deferred from "effect/Deferred"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import * as Layer from "effect/Layer"
import * as Scope from "effect/Scope"
import * as Stream from "effect/Stream"
import * as SubscriptionRef from "effect/SubscriptionRef"
import { NodeId } from "../domain/Ids.ts"
import { type NodeCommandHandler, NodeRegistry, type RegistryStorageFailed } from "../services/NodeRegistry.ts"

/** A command: an Effect, or a function of the params that gives one. A failure's message is the node's error. */
export type MockCommand = Effect.Effect<unknown, { readonly message: string }> | NodeCommandHandler

export interface MockNodeOptions {
  readonly nodeId: string
  readonly displayName?: string
  readonly commands: Readonly<Record<string, MockCommand>>
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
    yield* registry
      .attach({ nodeId, commands, ...(displayName === undefined ? undefined : { displayName }) })
      .pipe(Scope.provide(scope))
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
        Effect.map((found) => found[0] ?? [])
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

const ended = (exit: Exit.Exit<unknown, unknown>): MockCall["state"] =>
  Exit.isSuccess(exit) ? "answered" : Exit.hasInterrupts(exit) ? "interrupted" : "failed"

/** A node for as long as the layer lives, when a test needs no hold of it. */
export const layer = (options: MockNodeOptions): Layer.Layer<never, RegistryStorageFailed, NodeRegistry> =>
  Layer.effectDiscard(make(options))
