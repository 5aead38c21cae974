/**
 * Whatever takes longer than a second shows on the terminal that it goes on, and what it waits for.
 */
import { createServer } from "node:net"
import type { AddressInfo, Socket } from "node:net"
import { assert, describe, it } from "@effect/vitest"
import * as Effect from "effect/Effect"
import * as Deferred from "effect/Deferred"
import { home, start } from "./kit.ts"

/** Takes connections and says nothing. */
const silence = Effect.acquireRelease(
  Effect.callback<{ readonly port: number; readonly end: () => void }>((resume) => {
    const sockets = new Set<Socket>()
    const server = createServer((socket) => void sockets.add(socket.on("error", () => {})))
    server.listen(0, "127.0.0.1", () =>
      resume(
        Effect.succeed({
          port: (server.address() as AddressInfo).port,
          end: () => {
            for (const socket of sockets) socket.destroy()
            server.close()
          }
        })
      )
    )
  }),
  ({ end }) => Effect.sync(end)
)

/** Every kind of command that asks a Gateway. */
const asking: ReadonlyArray<ReadonlyArray<string>> = [
  ["health"],
  ["status"],
  ["gateway", "status"],
  ["gateway", "probe"],
  ["gateway", "call", "health"],
  ["agent", "-m", "hi"],
  ["agents", "list"],
  ["approvals", "pending"],
  ["approvals", "get", "--gateway"],
  ["channels", "status"],
  ["channels", "start"],
  ["devices", "list"],
  ["logs"],
  ["message", "send", "-t", "telegram:5", "-m", "hi"],
  ["models", "list"],
  ["nodes", "list"],
  ["nodes", "status"],
  ["nodes", "invoke", "--node", "n", "--command", "c"],
  ["qr"],
  ["sessions", "list"],
  ["sessions", "compact", "main"],
  ["system", "presence"]
]

describe("a command that waits for a Gateway", () => {
  it.live("says so on the terminal after a second, and clears the line when it ends", () =>
    Effect.gen(function* () {
      const { port } = yield* silence
      const one = Effect.fnUntraced(function* (given: ReadonlyArray<string>) {
        const shown: Array<string> = []
        const said = yield* Deferred.make<void>()
        const terminal = (text: string) => {
          shown.push(text)
          if (/\S.* \(1 s\)/.test(text)) Deferred.doneUnsafe(said, Effect.void)
        }
        const command = yield* start(
          { home: yield* home, terminal },
          ...given,
          "--url",
          `ws://127.0.0.1:${port}`,
          "--token",
          "a-token-for-tests"
        )
        const ended = yield* Effect.raceFirst(
          Effect.as(Deferred.await(said), undefined),
          Effect.map(command.ended, ({ code, stderr }) => `${given.join(" ")} ended with ${code}: ${stderr}`)
        )
        assert.isUndefined(ended)
        yield* command.stop
        assert.isTrue(shown.at(-1)?.endsWith("\u001b[2K"), given.join(" "))
      })
      yield* Effect.forEach(asking, (given) => Effect.scoped(one(given)), { concurrency: "unbounded", discard: true })
    }).pipe(Effect.scoped)
  )

  it.live("shows nothing with --json", () =>
    Effect.gen(function* () {
      const { port } = yield* silence
      const shown: Array<string> = []
      const command = yield* start(
        { home: yield* home, terminal: (text) => shown.push(text) },
        "health",
        "--json",
        "--timeout",
        "1200",
        "--url",
        `ws://127.0.0.1:${port}`,
        "--token",
        "t"
      )
      assert.strictEqual((yield* command.ended).code, 1)
      assert.deepStrictEqual(shown, [])
    }).pipe(Effect.scoped)
  )
})
