/** One Gateway on one network, and several that want the same name. */
import { assert, describe, it } from "@effect/vitest"
import * as Effect from "effect/Effect"
import * as Fiber from "effect/Fiber"
import * as TestClock from "effect/testing/TestClock"
import { browse } from "../../src/client/discovery/browse.ts"
import { advertise } from "../../src/layers/discovery/advertise.ts"
import { nameOf } from "../../src/layers/discovery/records.ts"
import { SERVICE_NAME } from "../../src/services/Beacon.ts"
import { Multicast } from "../../src/services/Multicast.ts"
import { type Lan, makeLan, network } from "./lan.ts"

const start = Effect.fnUntraced(function* (lan: Lan, address: string, port: number) {
  const here = network("eth0", address)
  const socket = lan.machine({ current: [here] }).open(here)
  const offer = { instance: "den (OpenClaw)", host: "den", port, txt: { role: "gateway" } }
  return yield* socket.pipe(
    Effect.flatMap((socket) => advertise({ socket, network: here, offer, own: (other) => other === address })),
    Effect.scoped,
    Effect.forkChild({ startImmediately: true })
  )
})

/** What somebody else on the network finds. */
const found = Effect.fnUntraced(function* (lan: Lan) {
  const machine = lan.machine({ current: [network("eth0", "10.0.0.99")] })
  const looking = yield* browse("2 seconds").pipe(
    Effect.provideService(Multicast, machine),
    Effect.forkChild({ startImmediately: true })
  )
  yield* TestClock.adjust("2 seconds")
  return (yield* Fiber.join(looking)).beacons
})

const look = (lan: Lan) =>
  Effect.map(found(lan), (beacons) => beacons.map(({ instanceName, port }) => `${instanceName} ${port}`).sort())

const hosts = (lan: Lan) =>
  Effect.map(found(lan), (beacons) =>
    beacons.map(({ addresses, host, instanceName }) => `${instanceName} ${host} ${addresses.join()}`).sort()
  )

const goodbyes = (lan: Lan) =>
  lan.sent.flatMap(({ answers = [] }) =>
    answers.flatMap((record) => (record.type === "PTR" && record.ttl === 0 ? [record.data] : []))
  )

describe("advertise", () => {
  it.effect("asks three times whether the name is free, tells twice, and answers", () =>
    Effect.gen(function* () {
      const lan = makeLan()
      const fiber = yield* start(lan, "10.0.0.1", 1)
      yield* TestClock.adjust("3 seconds")
      assert.deepStrictEqual(
        lan.sent.map(({ type }) => type),
        ["query", "query", "query", "response", "response"]
      )
      assert.deepStrictEqual(yield* look(lan), ["den (OpenClaw) 1"])
      assert.deepStrictEqual(goodbyes(lan), [])
      yield* Fiber.interrupt(fiber)
      assert.deepStrictEqual(goodbyes(lan), [nameOf("den (OpenClaw)", 1)])
      assert.deepStrictEqual(yield* look(lan), [])
    })
  )

  it.effect("whoever comes later gets the next name", () =>
    Effect.gen(function* () {
      const lan = makeLan()
      for (const port of [1, 2, 3]) {
        yield* start(lan, `10.0.0.${port}`, port)
        yield* TestClock.adjust("10 seconds")
      }
      assert.deepStrictEqual(yield* look(lan), ["den (OpenClaw) (2) 2", "den (OpenClaw) (3) 3", "den (OpenClaw) 1"])
    })
  )

  it.effect("two machines of one name have hosts of two names, each with its own address", () =>
    Effect.gen(function* () {
      const lan = makeLan()
      yield* start(lan, "10.0.0.1", 18_789)
      yield* TestClock.adjust("10 seconds")
      yield* start(lan, "10.0.0.2", 18_789)
      yield* TestClock.adjust("10 seconds")
      assert.deepStrictEqual(yield* hosts(lan), [
        "den (OpenClaw) (2) den-2.local 10.0.0.2",
        "den (OpenClaw) den.local 10.0.0.1"
      ])
    })
  )

  it.effect("also when both start at once", () =>
    Effect.gen(function* () {
      const lan = makeLan()
      yield* start(lan, "10.0.0.1", 18_789)
      yield* start(lan, "10.0.0.2", 18_789)
      yield* TestClock.adjust("20 seconds")
      assert.deepStrictEqual(yield* hosts(lan), [
        "den (OpenClaw) (2) den-2.local 10.0.0.1",
        "den (OpenClaw) den.local 10.0.0.2"
      ])
    })
  )

  it.effect("one who takes the name again and again does not make it busy", () =>
    Effect.gen(function* () {
      const lan = makeLan()
      yield* start(lan, "10.0.0.1", 1)
      const data = { port: 9, target: "x.local" }
      const srv = { name: nameOf("den (OpenClaw)", 1), type: "SRV", ttl: 120, data } as const
      const said = () => lan.sent.filter(({ from }) => from.address === "10.0.0.1").length
      for (let tenth = 0, before = 0; tenth < 6000; tenth++) {
        yield* TestClock.adjust("100 millis")
        const after = said()
        if (after > before) lan.say("eth0", { address: "10.0.0.50", port: 5353 }, { type: "response", answers: [srv] })
        before = after
      }
      assert.isAtMost(said(), 200)
    })
  )

  it.effect("two Gateways of one machine that start at once end with two names", () =>
    Effect.gen(function* () {
      const lan = makeLan()
      yield* start(lan, "10.0.0.1", 1)
      yield* start(lan, "10.0.0.1", 2)
      yield* TestClock.adjust("10 seconds")
      assert.deepStrictEqual(yield* look(lan), ["den (OpenClaw) (2) 1", "den (OpenClaw) 2"])
    })
  )

  it.effect("one Gateway that hears itself on another network of the same wire keeps its name", () =>
    Effect.gen(function* () {
      const lan = makeLan()
      yield* start(lan, "10.0.0.1", 1)
      yield* start(lan, "10.0.0.1", 1)
      yield* TestClock.adjust("10 seconds")
      assert.deepStrictEqual(yield* look(lan), ["den (OpenClaw) 1"])
    })
  )

  it.effect("gives way to who turns up with its name, without ending theirs", () =>
    Effect.gen(function* () {
      const lan = makeLan()
      yield* start(lan, "10.0.0.1", 1)
      yield* TestClock.adjust("3 seconds")
      const name = nameOf("den (OpenClaw)", 1)
      const srv = { name, type: "SRV", ttl: 120, data: { port: 9, target: "other.local" } } as const
      const theirs = () => lan.say("eth0", { address: "10.0.0.50", port: 5353 }, { type: "response", answers: [srv] })
      theirs()
      // They defend it when they are asked.
      for (let n = 0; n < 8; n++) {
        yield* TestClock.adjust("100 millis")
        theirs()
      }
      yield* TestClock.adjust("5 seconds")
      assert.deepStrictEqual(goodbyes(lan), [])
      assert.deepStrictEqual(yield* look(lan), ["den (OpenClaw) (2) 1"])
    })
  )

  it.effect("names that are all taken do not make it ask without end", () =>
    Effect.gen(function* () {
      const lan = makeLan()
      yield* start(lan, "10.0.0.1", 1)
      for (let second = 0; second < 600; second++) {
        for (let n = 1; n < 60; n++) {
          const srv = {
            name: nameOf("den (OpenClaw)", n),
            type: "SRV",
            ttl: 120,
            data: { port: 9, target: "x.local" }
          } as const
          lan.say("eth0", { address: "10.0.0.50", port: 5353 }, { type: "response", answers: [srv] })
        }
        yield* TestClock.adjust("1 second")
      }
      const queries = lan.sent.filter(({ type }) => type === "query").length
      assert.isAtMost(queries, 100)
    })
  )

  it.effect("a flood of questions is answered at a walk", () =>
    Effect.gen(function* () {
      const lan = makeLan()
      yield* start(lan, "10.0.0.1", 1)
      yield* TestClock.adjust("10 seconds")
      const before = lan.sent.length
      const questions = [{ name: SERVICE_NAME, type: "PTR" } as const]
      for (let n = 0; n < 1000; n++) lan.say("eth0", { address: "10.0.0.50", port: 5353 }, { type: "query", questions })
      yield* TestClock.adjust("1 second")
      const answers = lan.sent.slice(before).filter(({ type }) => type === "response").length
      assert.isTrue(answers > 0 && answers <= 50, String(answers))
    })
  )
})
