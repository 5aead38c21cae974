/** Networks that exist in memory only: what one machine sends, all of the network hear, the sender too. */
import * as Cause from "effect/Cause"
import * as Effect from "effect/Effect"
import * as Queue from "effect/Queue"
import {
  Multicast,
  MulticastUnavailable,
  type Network,
  type Outgoing,
  type Received,
  type Sender
} from "../../src/services/Multicast.ts"

interface Member {
  readonly network: string
  readonly address: string
  readonly received: Queue.Queue<Received, MulticastUnavailable>
}

export const network = (name: string, address: string): Network => ({ name, address, prefix: 24, more: [] })

export const packet = (content: Partial<Received> & Pick<Received, "type">): Received => ({
  id: 0,
  questions: [],
  answers: [],
  additionals: [],
  authorities: [],
  from: { address: "10.0.0.9", port: 5353 },
  ...content
})

export const makeLan = () => {
  const members = new Set<Member>()
  /** Everything that was sent, in order, with where it was sent. */
  const sent: Array<Outgoing & { readonly network: string; readonly from: Sender }> = []
  let broken: string | undefined

  const say = (network: string, from: Sender, outgoing: Outgoing) => {
    sent.push({ ...outgoing, network, from })
    if (outgoing.to !== undefined) return
    for (const member of members) {
      if (member.network === network) Queue.offerUnsafe(member.received, packet({ ...outgoing, from }))
    }
  }
  /** One machine on the LAN. Its networks may change. */
  const machine = (networks: { current: ReadonlyArray<Network> }) =>
    Multicast.of({
      networks: Effect.sync(() => networks.current),
      open: (at) =>
        Effect.gen(function* () {
          const unavailable = new MulticastUnavailable({ network: at.name, detail: "EPERM" })
          if (broken === at.name) return yield* unavailable
          const received = yield* Queue.sliding<Received, MulticastUnavailable>(64)
          const member = { network: at.name, address: at.address, received }
          yield* Effect.acquireRelease(
            Effect.sync(() => members.add(member)),
            () => Effect.sync(() => members.delete(member))
          )
          return {
            received,
            send: (outgoing: Outgoing) =>
              Effect.suspend(() => {
                if (broken === at.name) return Effect.fail(unavailable)
                say(at.name, { address: at.address, port: 5353 }, outgoing)
                return Effect.void
              })
          }
        })
    })
  return {
    sent,
    machine,
    /** Somebody on the network says this. */
    say,
    /** How many listen on a network. */
    listeners: (network: string) => Array.from(members).filter((member) => member.network === network).length,
    /** From now on nothing works there. */
    breakDown: (network: string) => {
      broken = network
      for (const member of members) {
        if (member.network === network) {
          Queue.failCauseUnsafe(member.received, Cause.fail(new MulticastUnavailable({ network, detail: "ENODEV" })))
        }
      }
    },
    heal: () => {
      broken = undefined
    }
  }
}
export type Lan = ReturnType<typeof makeLan>
