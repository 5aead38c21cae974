/** Tunnels over a real ssh whose user configured it for other things too, and over one that is older. */
import * as Fs from "node:fs"
import * as Net from "node:net"
import * as NodeServices from "@effect/platform-node/NodeServices"
import { assert, describe, it } from "@effect/vitest"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import * as Result from "effect/Result"
import * as TunnelManagerLive from "../../src/client/TunnelManager.ts"
import * as SshTarget from "../../src/domain/SshTarget.ts"
import { TunnelManager } from "../../src/services/TunnelManager.ts"
import * as GatewayTest from "../../src/testing/GatewayTest.ts"
import { temporaryStateDir } from "../client/stateDir.ts"
import * as Sshd from "./sshd.ts"
import { until } from "./stage.ts"

const setup = Effect.gen(function* () {
  const sshd = yield* Sshd.make
  yield* sshd.start
  const { endpoint } = yield* GatewayTest.GatewayTest
  const localPort = yield* Sshd.freePort
  const remotePort = Number(new URL(endpoint).port)
  const up = Effect.fnUntraced(function* (program = sshd.program) {
    const services = yield* Layer.build(TunnelManagerLive.layer({ program }).pipe(Layer.provide(temporaryStateDir)))
    const target = Result.getOrThrow(SshTarget.parse("box", "--ssh"))
    return yield* Effect.flatMap(TunnelManager, (manager) =>
      manager.up({ target, localPort, remotePort, hostKeyPolicy: "strict" })
    ).pipe(Effect.provide(services))
  })
  const running = () => Fs.readFileSync(sshd.started, "utf8").trim().split("\n").map(Number).filter(sshd.runs)
  return { localPort, remotePort, running, sshd, up }
})

/** Another program at a port, from when it is free; gives how much it heard. */
const stranger = (port: number) =>
  Effect.acquireRelease(
    Effect.callback<{ readonly server: Net.Server; readonly heard: () => number }>((resume) => {
      let heard = 0
      const server = Net.createServer((socket) => socket.on("data", () => heard++))
      server.listen(port, "127.0.0.1", () => resume(Effect.succeed({ server, heard: () => heard })))
    }),
    ({ server }) => Effect.sync(() => server.close())
  ).pipe(Effect.map(({ heard }) => heard))

const live = <A, E, R>(test: Effect.Effect<A, E, R>) => Effect.provide(test, [GatewayTest.layer(), NodeServices.layer])

describe.skipIf(Sshd.findSync() === undefined)("a tunnel to a host of which ssh's configuration says more", () => {
  it.live("does without forwards that are asked for there and cannot be had, and not without its own", () =>
    live(
      Effect.gen(function* () {
        const { localPort, running, sshd, up } = yield* setup
        const port = yield* Sshd.freePort
        yield* stranger(port)
        yield* sshd.configureClient([`LocalForward 127.0.0.1:${port} 127.0.0.1:1`])
        const tunnel = yield* up()
        const waiting = yield* until(tunnel, "Waiting")
        assert.deepInclude(waiting.error, { _tag: "PortTaken", port, configured: true })
        const first = yield* tunnel.ready
        assert.strictEqual(first.localPort, localPort)

        // The next one does without too, and still says nothing to who has its own port.
        yield* sshd.stop
        yield* sshd.signal("SIGKILL")
        yield* until(tunnel, "Waiting", first.generation)
        yield* Effect.scoped(
          Effect.gen(function* () {
            const heard = yield* stranger(localPort)
            yield* sshd.start
            const last = yield* Effect.repeat(until(tunnel, "Waiting"), {
              until: ({ error }) => error._tag === "PortTaken"
            })
            assert.deepInclude(last.error, { _tag: "PortTaken", port: localPort, configured: false })
            assert.strictEqual(heard(), 0)
          })
        )
        yield* until(tunnel, "Up", first.generation)
        assert.lengthOf(running(), 1)
      })
    )
  )

  it.live("does without those of the far side too", () =>
    live(
      Effect.gen(function* () {
        const { remotePort, sshd, up } = yield* setup
        yield* sshd.configureClient([`RemoteForward 127.0.0.1:${remotePort} 127.0.0.1:1`])
        const tunnel = yield* up()
        yield* until(tunnel, "Up", 1)
      })
    )
  )

  it.live("stays this process's child where ssh is to go into the background", () =>
    live(
      Effect.gen(function* () {
        const { running, sshd, up } = yield* setup
        yield* sshd.configureClient(["ForkAfterAuthentication yes"])
        yield* Effect.scoped(
          Effect.gen(function* () {
            const { generation } = yield* (yield* up()).ready
            assert.strictEqual(generation, 1)
            assert.lengthOf(running(), 1)
          })
        )
        assert.deepStrictEqual(running(), [])
      })
    )
  )

  it.live("comes up with an ssh that does not know the background yet", () =>
    live(
      Effect.gen(function* () {
        const { sshd, up } = yield* setup
        const program = `${sshd.program}-old`
        const refusal = "command-line: line 0: Bad configuration option: forkafterauthentication"
        Fs.writeFileSync(
          program,
          `#!/bin/sh\ncase "$*" in *ForkAfter*) echo '${refusal}' >&2; exit 255;; esac\nexec '${sshd.program}' "$@"\n`,
          { mode: 0o700 }
        )
        assert.strictEqual((yield* (yield* up(program)).ready).generation, 2)
      })
    )
  )
})
