/**
 * A node of the app as a Layer: commands are Effects with Schemas, and there is no socket.
 */
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import * as Schema from "effect/Schema"
import { NodeId } from "../../domain/Ids.ts"
import {
  type NodeCommandContext,
  type NodeCommandHandler,
  NodeRegistry,
  type RegistryStorageFailed
} from "../../services/NodeRegistry.ts"

/** A command of the app's node, ready to be called. */
export type Command<R> = (
  params: unknown,
  context: NodeCommandContext
) => Effect.Effect<unknown, { readonly message: string }, R>

/**
 * A command by the Schema of its params and what it does. Params that do not fit are refused with the place that failed; a failure's
 * message reaches the caller as the node's error.
 */
export const command = <A, I, RD, E extends { readonly message: string }, R>(options: {
  readonly params: Schema.Codec<A, I, RD, unknown>
  readonly run: (params: A, context: NodeCommandContext) => Effect.Effect<unknown, E, R>
}): Command<R | RD> => {
  const decode = Schema.decodeUnknownEffect(options.params)
  return (params, context) =>
    Effect.flatMap(
      Effect.mapError(decode(params ?? {}), ({ message }) => ({ message: `params do not fit: ${message}` })),
      (decoded) => options.run(decoded, context)
    )
}

/**
 * Attaches a node for as long as the Layer lives. It counts as approved, because code put it there: its own commands may be
 * invoked, unless `gateway.nodes.commands.deny` names one, or it is one of those that only `allow` opens. Deadlines, keys and
 * answers are those of every node.
 */
export const node = <R>(options: {
  /** Unique among all nodes. */
  readonly id: string
  /** By which people and the agent call it. */
  readonly name?: string
  readonly commands: Readonly<Record<string, Command<R>>>
}): Layer.Layer<never, RegistryStorageFailed, NodeRegistry | R> =>
  Layer.effectDiscard(
    Effect.gen(function* () {
      const registry = yield* NodeRegistry
      const context = yield* Effect.context<R>()
      const commands = Object.fromEntries(
        Object.entries(options.commands).map(([name, run]): [string, NodeCommandHandler] => [
          name,
          (params, call) => Effect.provideContext(run(params, call), context)
        ])
      )
      yield* registry.attach({
        nodeId: NodeId.make(options.id),
        commands,
        ...(options.name === undefined ? undefined : { displayName: options.name })
      })
    })
  )
