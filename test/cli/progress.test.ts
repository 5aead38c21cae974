/**
 * Whatever takes longer than a second shows on the terminal that it goes on, and what it waits for.
 */
import { mkdirSync, writeFileSync } from "node:fs"
import { createServer } from "node:net"
import type { AddressInfo, Server, Socket } from "node:net"
import { join } from "node:path"
import * as NodeServices from "@effect/platform-node/NodeServices"
import { assert, describe, it, vi } from "@effect/vitest"
import * as Effect from "effect/Effect"
import * as Deferred from "effect/Deferred"
import * as Layer from "effect/Layer"
import { FOLDER, lockOf } from "../../src/client/tunnel/sharedFiles.ts"
import * as StateDirLayer from "../../src/layers/StateDir.ts"
import { StateDir } from "../../src/services/StateDir.ts"
import { home, type Setting, start } from "./kit.ts"

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

/** Runs a command until its line on the terminal says that a second has passed, then ends it; gives what the line said. */
const signOfLife = Effect.fnUntraced(function* (setting: Omit<Setting, "terminal">, given: ReadonlyArray<string>) {
  const shown: Array<string> = []
  const said = yield* Deferred.make<string>()
  const terminal = (text: string) => {
    shown.push(text)
    const label = /(\S.*) \(1 s\)/.exec(text)?.[1]
    if (label !== undefined) Deferred.doneUnsafe(said, Effect.succeed(label))
  }
  const command = yield* start({ ...setting, terminal }, ...given)
  const label = yield* Effect.raceFirst(
    Deferred.await(said),
    Effect.map(command.ended, ({ code, stderr }) => assert.fail(`${given.join(" ")} ended with ${code}: ${stderr}`))
  )
  yield* command.stop
  assert.isTrue(shown.at(-1)?.endsWith("\u001b[2K"), given.join(" "))
  return label.slice(label.lastIndexOf("\u001b[2K") + 4)
}, Effect.scoped)

describe("a command that waits for a Gateway", () => {
  it.live("says so on the terminal after a second, and clears the line when it ends", () =>
    Effect.gen(function* () {
      const { port } = yield* silence
      const flags = ["--url", `ws://127.0.0.1:${port}`, "--token", "a-token-for-tests"]
      const one = (given: ReadonlyArray<string>) =>
        Effect.flatMap(home, (folder) => signOfLife({ home: folder }, [...given, ...flags]))
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

/** A home with programs that never answer, and a tunnel whose holder does not either. */
const slowHome = Effect.gen(function* () {
  const folder = yield* home
  const bin = join(folder, "bin")
  mkdirSync(bin)
  for (const name of ["launchctl", "openclaw", "systemctl", "tailscale"]) {
    writeFileSync(join(bin, name), "#!/bin/sh\nexec sleep 600\n", { mode: 0o755 })
  }
  const PATH = `${bin}:/usr/bin:/bin`
  // Tailscale's program is looked for by the process itself.
  yield* Effect.acquireRelease(
    Effect.sync(() => vi.stubEnv("PATH", PATH)),
    () => Effect.sync(() => vi.unstubAllEnvs())
  )
  return { home: folder, variables: { PATH }, entry: join(bin, "openclaw") }
})

const silentTunnel = Effect.fnUntraced(function* (folder: string) {
  const key = "a".repeat(32)
  const state = yield* StateDir
  yield* state.hold(lockOf(key))
  yield* Effect.acquireRelease(
    Effect.callback<Server>((resume) => {
      const server = createServer((socket) => void socket.on("error", () => {})).listen(
        join(folder, FOLDER, `${key}.sock`),
        () => resume(Effect.succeed(server))
      )
    }),
    (server) => Effect.sync(() => server.close())
  )
})

describe("a command that waits for something else", () => {
  const cases: ReadonlyArray<readonly [given: string, says: string]> = [
    ["gateway status", "Asking the service manager"],
    ["node status", "Asking the service manager"],
    ["node install", "Asking the service manager"],
    ["doctor tailscale", "Asking Tailscale"]
  ]
  for (const [given, says] of cases) {
    it.live(`${given}: ${says}`, () =>
      Effect.gen(function* () {
        assert.strictEqual(yield* signOfLife(yield* slowHome, given.split(" ")), says)
      }).pipe(Effect.scoped)
    )
  }

  it.live("tunnel status: Asking the tunnels", () =>
    Effect.gen(function* () {
      const setting = { home: yield* home }
      const root = join(setting.home, ".openclaw")
      const stateDir = StateDirLayer.layer({ root }).pipe(Layer.provide(NodeServices.layer))
      yield* Effect.gen(function* () {
        yield* silentTunnel(root)
        assert.strictEqual(yield* signOfLife(setting, ["tunnel", "status"]), "Asking the tunnels")
      }).pipe(Effect.provide(stateDir))
    }).pipe(Effect.scoped)
  )
})
