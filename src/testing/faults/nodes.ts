/**
 * Nodes of this process at the other end of a link: their calls pass over it, and a cut takes their connection away.
 */
import * as Context from "effect/Context"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import * as Scope from "effect/Scope"
import * as Semaphore from "effect/Semaphore"
import type { NodeCommandHandler, NodeRegistry } from "../../services/NodeRegistry.ts"
import { exchange } from "./carriers.ts"
import type { Link } from "./Link.ts"

type Registry = NodeRegistry["Service"]
type Attach = Registry["attach"]

/** What is attached under it hangs on a link already. */
const OnLink = Context.Reference<boolean>("openclaw/testing/faults/OnLink", { defaultValue: () => false })

/** Attaches a node that is there while the link is not cut, until the scope closes. */
export const attach = Effect.fnUntraced(function* (
  link: Link,
  registry: Registry,
  node: Parameters<Attach>[0]
): Effect.fn.Return<void, Effect.Error<ReturnType<Attach>>, Scope.Scope> {
  if (yield* OnLink) return yield* registry.attach(node)
  const outer = yield* Effect.scope
  const turn = yield* Semaphore.make(1)
  const overLink = (command: string, handler: NodeCommandHandler): NodeCommandHandler => {
    const carried = exchange(link, command, () => ({ message: "the link is cut" }))
    return (params, context) => carried(Effect.suspend(() => handler(params, context)))
  }
  const commands = Object.fromEntries(
    Object.entries(node.commands).map(([name, handler]) => [name, overLink(name, handler)])
  )
  let connection: Scope.Closeable | undefined
  const leave = Effect.suspend(() => {
    const scope = connection
    connection = undefined
    return scope === undefined ? Effect.void : Scope.close(scope, Exit.void)
  })
  const join = Effect.gen(function* () {
    if (link.isCut()) return
    const scope = yield* Scope.fork(outer)
    yield* registry.attach({ ...node, commands }).pipe(Scope.provide(scope), Effect.provideService(OnLink, true))
    connection = scope
  })
  const watcher = { cut: turn.withPermit(leave), restore: turn.withPermit(Effect.orDie(join)) }
  yield* Effect.acquireRelease(
    Effect.sync(() => link.watch(watcher)),
    (forget) => Effect.sync(forget)
  )
  yield* turn.withPermit(join)
})

/** A registry whose nodes of this process hang on the link. */
export const registry = (link: Link, service: Registry): Registry => ({
  ...service,
  attach: (node) => attach(link, service, node)
})
