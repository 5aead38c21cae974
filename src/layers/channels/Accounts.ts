/**
 * The accounts that receive, and those that somebody stopped by hand.
 */
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import * as Scope from "effect/Scope"
import * as Semaphore from "effect/Semaphore"
import type { Channel } from "../../services/Channel.ts"

interface Account {
  readonly channel: Channel
  /** For as long as there is this account. */
  readonly scope: Scope.Scope
  /** For as long as it receives. */
  receiving: Scope.Closeable | undefined
}

const nameOf = (channel: string, accountId: string) => JSON.stringify([channel, accountId])

/** `receive` runs an account in its scope. */
export const make = Effect.fnUntraced(function* (
  receive: (channel: Channel) => Effect.Effect<void, never, Scope.Scope>
) {
  const accounts = new Map<string, Account>()
  const stopped = new Set<string>()
  /** One at a time, and none half: an account would receive twice, or be stopped and go on. */
  const gate = yield* Semaphore.make(1)
  const alone = <A, E>(effect: Effect.Effect<A, E>) => Effect.uninterruptible(gate.withPermits(1)(effect))

  const run = Effect.fnUntraced(function* (account: Account) {
    const scope = yield* Scope.fork(account.scope)
    account.receiving = scope
    yield* Scope.provide(receive(account.channel), scope)
  })

  const halt = (account: Account) =>
    Effect.suspend(() => {
      const { receiving } = account
      account.receiving = undefined
      return receiving === undefined ? Effect.void : Scope.close(receiving, Exit.void)
    })

  const add = Effect.fnUntraced(function* (channel: Channel) {
    const name = nameOf(channel.id, channel.accountId)
    const account: Account = { channel, scope: yield* Effect.scope, receiving: undefined }
    yield* Effect.acquireRelease(
      Effect.sync(() => accounts.set(name, account)),
      () => Effect.sync(() => accounts.get(name) === account && accounts.delete(name))
    )
    yield* alone(
      Effect.suspend(() =>
        stopped.has(name)
          ? Effect.logInfo(`${channel.id}/${channel.accountId} stays stopped until somebody starts it`)
          : run(account)
      )
    )
  })

  const start = Effect.fn("ChannelRouter.start")((id: string, accountId: string) =>
    alone(
      Effect.gen(function* () {
        const name = nameOf(id, accountId)
        stopped.delete(name)
        const account = accounts.get(name)
        if (account === undefined) return undefined
        if (account.receiving !== undefined) {
          const { healthState } = yield* account.channel.status
          if (healthState !== "unauthorized") return "running" as const
          yield* halt(account)
        }
        yield* run(account)
        return "started" as const
      })
    )
  )

  const halted = Effect.fnUntraced(function* (id: string, accountId: string) {
    const name = nameOf(id, accountId)
    const account = accounts.get(name)
    if (account === undefined) return undefined
    stopped.add(name)
    yield* halt(account)
    return account
  })

  const stop = Effect.fn("ChannelRouter.stop")((id: string, accountId: string) =>
    alone(Effect.map(halted(id, accountId), (account) => account !== undefined))
  )

  const logout = Effect.fn("ChannelRouter.logout")(function* (id: string, accountId: string) {
    const forget = accounts.get(nameOf(id, accountId))?.channel.logout
    if (forget === undefined) return undefined
    yield* alone(halted(id, accountId))
    // Not alone: the channel may add the account anew, without its credentials.
    const result = yield* forget
    if (result.loggedOut) yield* start(id, accountId)
    return result
  })

  return { add, start, stop, logout }
})
