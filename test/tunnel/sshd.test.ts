/** Tunnels over the system's ssh and a real sshd, to whole Gateways. */
import { type ChildProcess, spawn } from "node:child_process"
import * as Net from "node:net"
import * as path from "node:path"
import * as NodeServices from "@effect/platform-node/NodeServices"
import { assert, describe, it } from "@effect/vitest"
import * as Effect from "effect/Effect"
import * as FileSystem from "effect/FileSystem"
import * as Layer from "effect/Layer"
import * as Result from "effect/Result"
import * as Stream from "effect/Stream"
import * as SubscriptionRef from "effect/SubscriptionRef"
import * as TunnelManagerLive from "../../src/client/TunnelManager.ts"
import { token } from "../../src/domain/Credential.ts"
import * as SshTarget from "../../src/domain/SshTarget.ts"
import { TunnelManager, type TunnelSpec } from "../../src/services/TunnelManager.ts"
import * as GatewayTest from "../../src/testing/GatewayTest.ts"
import { temporaryStateDir } from "../client/stateDir.ts"
import * as Sshd from "./sshd.ts"
import { until } from "./stage.ts"

const target = Result.getOrThrow(SshTarget.parse("box", "--ssh"))

/** Another process's listener: what it hears is counted. */
const stranger = (port: number) =>
  Effect.acquireRelease(
    Effect.callback<{ readonly server: Net.Server; heard: number }>((resume) => {
      const told = { server: Net.createServer((socket) => socket.on("data", () => told.heard++)), heard: 0 }
      told.server.listen(port, "127.0.0.1", () => resume(Effect.succeed(told)))
    }),
    ({ server }) => Effect.sync(() => server.close())
  )

const setup = Effect.gen(function* () {
  const sshd = yield* Sshd.make
  const manager = yield* Effect.map(
    Layer.build(TunnelManagerLive.layer({ program: sshd.program }).pipe(Layer.provide(temporaryStateDir))),
    (context) => Effect.provide(TunnelManager, context)
  ).pipe(Effect.flatten)
  const spec: TunnelSpec = {
    target,
    localPort: yield* Sshd.freePort,
    remotePort: yield* Sshd.freePort,
    hostKeyPolicy: "strict"
  }
  return { sshd, manager, spec }
})

const gatewayAt = Effect.map(GatewayTest.GatewayTest, (gateway) => ({
  remotePort: Number(new URL(gateway.endpoint).port),
  credentials: [token(gateway.token)]
}))

describe.skipIf(Sshd.findSync() === undefined)("a tunnel over ssh", () => {
  it.live("is up with the Gateway's identity, and back after ssh was killed and after sshd was away", () =>
    Effect.gen(function* () {
      const { manager, sshd, spec } = yield* setup
      yield* sshd.banner("welcome\n".repeat(12_800))
      yield* sshd.start
      const tunnel = yield* manager.up({ ...spec, ...(yield* gatewayAt) })
      const first = yield* tunnel.ready
      assert.match(first.gateway ?? "", /^[0-9a-f]{64}$/)
      yield* sshd.signal("SIGKILL")
      const second = yield* until(tunnel, "Up", first.generation)
      assert.strictEqual(second.gateway, first.gateway)
      // What sshd began before goes on without it.
      yield* sshd.stop
      yield* sshd.signal("SIGKILL")
      const waiting = yield* until(tunnel, "Waiting", second.generation)
      assert.deepInclude(waiting.error, { _tag: "SshUnreachable", reason: "refused" })
      yield* sshd.start
      assert.strictEqual((yield* until(tunnel, "Up", waiting.generation)).gateway, first.gateway)
    }).pipe(Effect.provide([GatewayTest.layer(), NodeServices.layer]))
  )

  it.live("leaves no ssh behind when its own process is killed", () =>
    Effect.gen(function* () {
      const { sshd, spec } = yield* setup
      yield* sshd.start
      const holder = yield* Effect.acquireRelease(
        Effect.callback<ChildProcess>((resume) => {
          const args = [sshd.program, String(spec.localPort), String(spec.remotePort)]
          const child = spawn(process.execPath, [path.join(import.meta.dirname, "holder.ts"), ...args], {
            stdio: ["ignore", "pipe", "inherit"]
          })
          child.stdout.once("data", () => resume(Effect.succeed(child)))
        }),
        (child) => Effect.sync(() => child.kill("SIGKILL"))
      )
      const ssh = yield* sshd.pid
      assert.isTrue(sshd.runs(ssh))
      holder.kill("SIGKILL")
      yield* Effect.repeat(
        Effect.delay(
          Effect.sync(() => sshd.runs(ssh)),
          "10 millis"
        ),
        { while: (runs) => runs }
      )
    })
  )

  it.live("stops on a host that is not known, and on one that is another", () =>
    Effect.gen(function* () {
      const { manager, sshd, spec } = yield* setup
      yield* sshd.otherHostKey
      yield* sshd.start
      const changed = yield* Effect.flip((yield* manager.up(spec)).ready)
      assert.deepInclude(changed, { _tag: "SshHostKeyRejected", changed: true })
      yield* sshd.forgetHost
      const unknown = yield* Effect.flip((yield* manager.up({ ...spec, remotePort: 1 })).ready)
      assert.deepInclude(unknown, { _tag: "SshHostKeyRejected", changed: false })
    })
  )

  it.live("is not impressed by a banner of a megabyte, which is more than ssh itself takes", () =>
    Effect.gen(function* () {
      const { manager, sshd, spec } = yield* setup
      yield* sshd.banner("welcome\n".repeat(131_072))
      yield* sshd.start
      const tunnel = yield* manager.up(spec)
      const { error } = yield* until(tunnel, "Waiting")
      assert.strictEqual(error._tag, "SshUnreachable")
      assert.isBelow(error.message.length, 1000)
      yield* sshd.banner("")
      // Nobody is there, but ssh came through.
      yield* SubscriptionRef.changes(tunnel.state).pipe(
        Stream.filter((state) => state._tag === "Waiting" && state.error._tag === "GatewayNotAnswering"),
        Stream.take(1),
        Stream.runDrain
      )
    })
  )

  it.live("stops on a key that is refused, without asking for a password", () =>
    Effect.gen(function* () {
      const { manager, sshd, spec } = yield* setup
      yield* sshd.refuseKey
      yield* sshd.start
      const error = yield* Effect.flip((yield* manager.up(spec)).ready)
      assert.strictEqual(error._tag, "SshAuthFailed")
      assert.include(error.message, "Permission denied (publickey)")
    })
  )

  it.live("says nothing to who has the local port, and takes it when it is free", () =>
    Effect.gen(function* () {
      const { manager, sshd, spec } = yield* setup
      yield* sshd.start
      const tunnel = yield* manager.up({ ...spec, ...(yield* gatewayAt) })
      yield* Effect.scoped(
        Effect.gen(function* () {
          const other = yield* stranger(spec.localPort)
          const waiting = yield* until(tunnel, "Waiting")
          assert.deepInclude(waiting.error, { _tag: "PortTaken", port: spec.localPort })
          yield* until(tunnel, "Waiting", waiting.generation)
          assert.strictEqual(other.heard, 0)
        })
      )
      yield* tunnel.ready
    }).pipe(Effect.provide([GatewayTest.layer(), NodeServices.layer]))
  )

  it.live("keeps its ssh while no Gateway is at the far port, and tells what else answers there", () =>
    Effect.gen(function* () {
      const { manager, sshd, spec } = yield* setup
      yield* sshd.start
      const tunnel = yield* manager.up({ ...spec, credentials: [token("sesame")] })
      const waiting = yield* until(tunnel, "Waiting")
      assert.strictEqual(waiting.error._tag, "GatewayNotAnswering")
      const other = yield* Effect.acquireRelease(
        Effect.callback<{ readonly server: Net.Server; said: string }>((resume) => {
          const told = {
            said: "",
            server: Net.createServer((socket) => {
              socket.on("error", () => {})
              socket.on("data", (data) => {
                told.said += String(data)
                socket.end("220 mail.example.com ESMTP\r\n")
              })
            })
          }
          told.server.listen(spec.remotePort, "127.0.0.1", () => resume(Effect.succeed(told)))
        }),
        ({ server }) => Effect.sync(() => server.close())
      )
      yield* SubscriptionRef.changes(tunnel.state).pipe(
        Stream.filter(
          (state) => state._tag === "Waiting" && other.said !== "" && state.error._tag === "GatewayNotAnswering"
        ),
        Stream.take(2),
        Stream.runDrain
      )
      assert.strictEqual((yield* SubscriptionRef.get(tunnel.state)).generation, 1)
      assert.notInclude(other.said, "sesame")
    })
  )

  it.live("stops on another Gateway than the one it knew for the target", () =>
    Effect.gen(function* () {
      const { manager, sshd, spec } = yield* setup
      yield* sshd.start
      const fs = yield* FileSystem.FileSystem
      const keys = yield* Effect.all([fs.makeTempDirectoryScoped(), fs.makeTempDirectoryScoped()])
      const at = (stateDir: string, port?: number) =>
        Effect.gen(function* () {
          const gateway = yield* gatewayAt
          const tunnel = yield* manager.up({ ...spec, ...gateway, ...(port === undefined ? {} : { remotePort: port }) })
          return { ...gateway, ready: yield* Effect.result(tunnel.ready) }
        }).pipe(Effect.provide(GatewayTest.layer({ stateDir })), Effect.scoped)
      const first = yield* at(keys[0])
      assert.isTrue(Result.isSuccess(first.ready))
      // The same far port leads to another one now.
      const swapped = yield* Effect.gen(function* () {
        const gateway = yield* gatewayAt
        const relay = yield* Effect.acquireRelease(
          Effect.callback<Net.Server>((resume) => {
            const server = Net.createServer((socket) => {
              const far = Net.connect(gateway.remotePort, "127.0.0.1")
              for (const end of [socket, far]) end.on("error", () => end.destroy())
              socket.pipe(far)
              far.pipe(socket)
            })
            server.listen(first.remotePort, "127.0.0.1", () => resume(Effect.succeed(server)))
          }),
          (server) => Effect.sync(() => server.close())
        )
        assert.isTrue(relay.listening)
        const tunnel = yield* manager.up({ ...spec, ...gateway, remotePort: first.remotePort })
        return yield* Effect.flip(tunnel.ready)
      }).pipe(Effect.provide(GatewayTest.layer({ stateDir: keys[1] })), Effect.scoped)
      assert.strictEqual(swapped._tag, "WrongGateway")
    }).pipe(Effect.provide(NodeServices.layer))
  )
})
