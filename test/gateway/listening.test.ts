/** Taking an address that another program has, or that this machine does not have. */
import { createServer, type Server } from "node:net"
import { createServer as createHttpServer } from "node:http"
import { assert, describe, it } from "@effect/vitest"
import * as Effect from "effect/Effect"
import * as Fiber from "effect/Fiber"
import { bind, probe } from "../../src/layers/gateway/listening.ts"

const host = "127.0.0.1"

const portOf = (server: Server): number => {
  const address = server.address()
  return typeof address === "object" && address !== null ? address.port : 0
}

const close = (server: Server) => Effect.callback<void>((resume) => void server.close(() => resume(Effect.void)))

/** Another program on a free port. */
const other = Effect.acquireRelease(
  Effect.callback<Server>((resume) => {
    const server = createServer()
    server.listen(0, host, () => resume(Effect.succeed(server)))
  }),
  close
)

const http = Effect.acquireRelease(
  Effect.sync(() => createHttpServer()),
  close
)

const options = (port: number, portPatienceMs?: number) => ({
  host,
  port,
  version: "1.0.0",
  auth: { mode: "none" } as const,
  ...(portPatienceMs === undefined ? undefined : { portPatienceMs })
})

describe("a port that is taken", () => {
  it.live("is an error at once without patience, and after it with some", () =>
    Effect.gen(function* () {
      const port = portOf(yield* other)
      assert.strictEqual((yield* Effect.flip(bind(yield* http, options(port))))._tag, "PortInUse")
      assert.strictEqual((yield* Effect.flip(bind(yield* http, options(port, 250))))._tag, "PortInUse")
    }).pipe(Effect.scoped)
  )

  it.live("is listened on once it is free again", () =>
    Effect.gen(function* () {
      const thief = yield* other
      const port = portOf(thief)
      const waiting = yield* Effect.forkScoped(bind(yield* http, options(port, 60_000)), { startImmediately: true })
      yield* Effect.sleep(20)
      yield* close(thief)
      assert.strictEqual(yield* Fiber.join(waiting), port)
    }).pipe(Effect.scoped)
  )
})

interface Places {
  readonly host: string
  readonly port: number
  readonly alsoLoopback?: boolean
}

describe("probe", () => {
  const error = (next: Places, held: Places) => Effect.map(Effect.flip(probe(next, held)), ({ _tag }) => _tag)

  it.live("tells what cannot be had, and that the Gateway's own address can", () =>
    Effect.gen(function* () {
      const held = { host, port: portOf(yield* other) }
      const taken = { host, port: portOf(yield* other) }
      assert.strictEqual(yield* error(taken, held), "PortInUse")
      // TEST-NET-1: no machine has it.
      assert.strictEqual(yield* error({ host: "192.0.2.1", port: held.port }, held), "ListenFailed")
      yield* probe(held, held)
      yield* probe({ host: "0.0.0.0", port: held.port }, held)
    }).pipe(Effect.scoped)
  )

  it.live("127.0.0.1 beside another address: its own is not in the way, another program there is", () =>
    Effect.gen(function* () {
      const held = portOf(yield* other)
      const beside = { host: "127.0.0.2", port: held, alsoLoopback: true }
      // What listens at 127.0.0.1 is this Gateway's own second listener, from one setting to the other and back.
      yield* probe({ host, port: held }, beside)
      yield* probe(beside, { host, port: held })
      const taken = portOf(yield* other)
      assert.strictEqual(yield* error({ ...beside, port: taken }, beside), "PortInUse")
      assert.strictEqual(
        yield* error({ host: "127.0.0.2", port: held, alsoLoopback: true }, { host, port: 1 }),
        "PortInUse"
      )
    }).pipe(Effect.scoped)
  )
})
