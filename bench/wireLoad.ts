/**
 * What the wire itself carries: requests, clients that come all at once, and a broadcast.
 */
import { randomUUID } from "node:crypto"
import { once } from "node:events"
import { spawn } from "node:child_process"
import { createInterface } from "node:readline"
import { fileURLToPath } from "node:url"
import * as Effect from "effect/Effect"
import * as Random from "effect/Random"
import * as DeviceIdentity from "../src/client/DeviceIdentity.ts"
import { type Endpoint, loopback } from "../src/domain/Endpoint.ts"
import { modelConfig } from "./load.ts"
import * as Model from "./model.ts"
import * as Node from "./node.ts"
import { treeMemory } from "./processes.ts"
import { open, pump, type RawClient } from "./rawClient.ts"
import type { Row } from "./report.ts"
import { connect, freshHome, start, type Subject } from "./subject.ts"

export interface WireOptions {
  /** Milliseconds of each run of requests, and how many runs. */
  readonly ms: number
  readonly runs: number
  /** Clients that connect at once, and those of them that listen to a broadcast. */
  readonly clients: number
  readonly subscribers: number
  readonly broadcasts: number
}

const METHODS = ["health", "sessions.list", "node.list"]
const SHAPES = [
  [1, 1],
  [1, 32],
  [16, 1],
  [16, 32]
] as const
const SESSIONS = 20
const SCOPES = ["operator.read", "operator.write"]

const requests = Effect.fnUntraced(function* (
  name: string,
  endpoint: Endpoint,
  methods: ReadonlyArray<string>,
  { ms, runs }: WireOptions
) {
  const rows: Array<Row> = []
  for (const method of methods) {
    for (const [connections, inFlight] of SHAPES) {
      const measure = `${method}, ${connections} × ${inFlight} in flight`
      const pumped = yield* Effect.gen(function* () {
        const clients = yield* Effect.forEach(Array.from({ length: connections }), () =>
          open(endpoint, { scopes: SCOPES })
        )
        yield* pump(clients, inFlight, method, ms / 4)
        return yield* Effect.forEach(Array.from({ length: runs }), () => pump(clients, inFlight, method, ms))
      }).pipe(Effect.scoped)
      rows.push({
        measure,
        subject: name,
        unit: "1/s",
        samples: pumped.map(({ answered, ms }) => (answered / ms) * 1000)
      })
      const refused = pumped.map(({ answered, refused }) => (refused / (answered + refused)) * 100)
      if (refused.some((share) => share > 0))
        rows.push({ measure: `${measure}: refused`, subject: name, unit: "%", samples: refused })
    }
  }
  return rows
})

/** The same requests to a process that only answers. */
export const wireBaseline = Effect.fnUntraced(function* (options: WireOptions) {
  const child = yield* Effect.acquireRelease(
    Effect.sync(() =>
      spawn(process.execPath, [fileURLToPath(new URL("echo.ts", import.meta.url))], {
        stdio: ["ignore", "pipe", "inherit"]
      })
    ),
    (child) => Effect.sync(() => child.kill())
  )
  const [port] = yield* Effect.promise(() => once(createInterface(child.stdout), "line"))
  return yield* requests("an echo of 10 lines", loopback(Number(port)), ["health"], options)
}, Effect.scoped)

/** Connects all clients at the same moment. One that is refused tries again, a random time of up to a second later. */
const rush = Effect.fnUntraced(function* (endpoint: Endpoint, count: number) {
  const devices = yield* Effect.forEach(Array.from({ length: count }), () => DeviceIdentity.ephemeral)
  let refused = 0
  const started = performance.now()
  const came = yield* Effect.forEach(
    devices,
    (device) =>
      open(endpoint, { device, scopes: SCOPES }).pipe(
        Effect.tapError(() => Effect.sync(() => refused++)),
        Effect.catch((error) =>
          Effect.andThen(
            Effect.flatMap(Random.next, (share) => Effect.sleep(share * 1000)),
            error
          )
        ),
        Effect.retry({ times: 120 }),
        Effect.map((client) => ({ client, ms: performance.now() - started }))
      ),
    { concurrency: "unbounded" }
  )
  return { clients: came.map(({ client }) => client), times: came.map(({ ms }) => ms), refused }
})

/** One turn whose end everybody is told. From the first who hears it to the last, and from the request to the last. */
const broadcast = Effect.fnUntraced(function* (
  subscribers: ReadonlyArray<RawClient>,
  ask: (runId: string) => Effect.Effect<unknown, unknown>
) {
  const runId = randomUUID()
  const started = performance.now()
  const heard = yield* Effect.all(
    [
      Effect.forEach(
        subscribers,
        (client) =>
          Effect.callback<number>((resume) => {
            client.onFrame = (text) => {
              if (!text.startsWith('{"type":"event","event":"chat"')) return
              const { payload } = JSON.parse(text)
              if (payload.runId === runId && payload.state === "final") resume(Effect.succeed(performance.now()))
            }
          }),
        { concurrency: "unbounded" }
      ),
      ask(runId)
    ],
    { concurrency: "unbounded" }
  ).pipe(
    Effect.map(([times]) => times),
    Effect.timeout("30 seconds")
  )
  const last = Math.max(...heard)
  return { spread: last - Math.min(...heard), whole: last - started }
})

export const wire = Effect.fnUntraced(function* (subject: Subject, options: WireOptions) {
  const model = yield* Model.serve
  const gateway = yield* start(subject, yield* freshHome, modelConfig(model.baseUrl))
  const operator = yield* connect(gateway.endpoint)
  yield* Node.attach(gateway.endpoint, operator)
  yield* Effect.forEach(Array.from({ length: SESSIONS }), (_, index) =>
    operator.request(
      "agent",
      { message: "Hello.", sessionKey: `agent:main:bench-${index}`, idempotencyKey: randomUUID() },
      { expectFinal: true }
    )
  )
  const rates = yield* requests(subject.name, gateway.endpoint, METHODS, options)

  const { clients, refused, times } = yield* rush(gateway.endpoint, options.clients)
  const subscribers = clients.slice(0, options.subscribers)
  const told = yield* Effect.forEach(Array.from({ length: options.broadcasts + 3 }), () =>
    broadcast(subscribers, (runId) =>
      operator.request("chat.send", { sessionKey: "agent:main:bench-0", message: "Hello.", idempotencyKey: runId })
    )
  )
  const counted = told.slice(3)
  const busy = yield* treeMemory(gateway.pid)
  yield* Effect.sleep("15 seconds")
  const rested = yield* treeMemory(gateway.pid)
  const row = (measure: string, unit: Row["unit"], samples: ReadonlyArray<number | undefined>): Row => ({
    measure,
    subject: subject.name,
    unit,
    samples: samples.filter((sample) => sample !== undefined)
  })
  return [
    ...rates,
    row(`${options.clients} clients connect at once, signed: until hello-ok`, "ms", times),
    row(`${options.clients} clients connect at once, signed: refused attempts`, "times", [refused]),
    row(
      `broadcast to ${subscribers.length}: from the first to the last`,
      "ms",
      counted.map(({ spread }) => spread)
    ),
    row(
      `broadcast to ${subscribers.length}: from chat.send to the last`,
      "ms",
      counted.map(({ whole }) => whole)
    ),
    row("RSS of the process tree after all that", "MiB", [busy]),
    row("RSS of the process tree 15 s later", "MiB", [rested])
  ]
}, Effect.scoped)
