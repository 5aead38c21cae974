/** One tunnel for several processes, over a real sshd to a real Gateway. */
import { type ChildProcess, spawn } from "node:child_process"
import * as Fs from "node:fs"
import * as Net from "node:net"
import * as Os from "node:os"
import * as path from "node:path"
import * as NodeServices from "@effect/platform-node/NodeServices"
import { assert, describe, it } from "@effect/vitest"
import * as Effect from "effect/Effect"
import * as Fiber from "effect/Fiber"
import * as Layer from "effect/Layer"
import * as Option from "effect/Option"
import * as Schedule from "effect/Schedule"
import * as Schema from "effect/Schema"
import * as Stream from "effect/Stream"
import * as SubscriptionRef from "effect/SubscriptionRef"
import * as Files from "../../src/client/tunnel/sharedFiles.ts"
import * as SshTarget from "../../src/domain/SshTarget.ts"
import * as TunnelManagerLive from "../../src/client/TunnelManager.ts"
import * as StateDirLive from "../../src/layers/StateDir.ts"
import { TunnelManager, TunnelState } from "../../src/services/TunnelManager.ts"
import * as GatewayTest from "../../src/testing/GatewayTest.ts"
import * as Sshd from "./sshd.ts"

const decodeState = Schema.decodeUnknownSync(Schema.fromJsonString(TunnelState))
type Of<Tag> = Extract<TunnelState, { readonly _tag: Tag }>

const folder = Effect.acquireRelease(
  Effect.sync(() => Fs.mkdtempSync(path.join(Os.tmpdir(), "openclaw-shared-"))),
  (dir) => Effect.sync(() => Fs.rmSync(dir, { recursive: true, force: true }))
)

const setup = Effect.gen(function* () {
  const sshd = yield* Sshd.make
  yield* sshd.start
  const { endpoint } = yield* GatewayTest.GatewayTest
  const remotePort = Number(new URL(endpoint).port)
  const root = `${yield* folder}/state`
  const key = Files.keyOf({ target: SshTarget.SshTarget.make("box"), remotePort, hostKeyPolicy: "strict" })
  const started = () => Fs.readFileSync(sshd.started, "utf8").trim().split("\n").map(Number)

  /** Another process. Its states come as it prints them. */
  const other = (localPort: number, hold = true, stateDir = root) =>
    Effect.acquireRelease(
      Effect.sync(() => {
        const args = [sshd.program, stateDir, String(localPort), String(remotePort), String(hold)]
        const child: ChildProcess = spawn(
          process.execPath,
          [path.join(import.meta.dirname, "sharedHolder.ts"), ...args],
          {
            stdio: ["ignore", "pipe", "inherit"]
          }
        )
        const states: Array<TunnelState> = []
        let rest = ""
        let look = () => {}
        child.stdout?.on("data", (chunk) => {
          const lines = (rest + String(chunk)).split("\n")
          rest = lines.pop() ?? ""
          states.push(...lines.map((line) => decodeState(line)))
          look()
        })
        const until = <Tag extends TunnelState["_tag"]>(tag: Tag, after = 0) =>
          Effect.callback<Of<Tag>>((resume) => {
            look = () => {
              const found = states.find((state): state is Of<Tag> => state._tag === tag && state.generation > after)
              if (found !== undefined) resume(Effect.succeed(found))
            }
            look()
          })
        const end = (signal: NodeJS.Signals) =>
          Effect.callback<void>((resume) => {
            child.once("exit", () => resume(Effect.void))
            child.kill(signal)
          })
        return { child, end, states, until }
      }),
      ({ child }) => Effect.sync(() => child.kill("SIGKILL"))
    )
  /** A tunnel of this process. */
  const own = Effect.fnUntraced(function* (localPort: number, hold: boolean, stateDir = root) {
    const services = yield* Layer.build(
      TunnelManagerLive.layer({ program: sshd.program, hold }).pipe(
        Layer.provide(StateDirLive.layer({ root: stateDir }))
      )
    )
    const { up } = yield* Effect.provide(TunnelManager, services)
    const target = SshTarget.SshTarget.make("box")
    return yield* up({ target, localPort, remotePort, hostKeyPolicy: "strict" })
  })
  const running = () => started().filter(sshd.runs)
  return { key, other, own, root, running, sshd, started }
})

/** Another program at a port that no ssh has any more, which may take a moment; gives how much it heard. */
const stranger = (port: number) =>
  Effect.acquireRelease(
    Effect.callback<{ readonly server: Net.Server; readonly heard: () => number }, Error>((resume) => {
      let heard = 0
      const server = Net.createServer((socket) => socket.on("data", () => heard++))
      server.once("error", (error) => resume(Effect.fail(error)))
      server.listen(port, "127.0.0.1", () => resume(Effect.succeed({ server, heard: () => heard })))
    }).pipe(Effect.retry(Schedule.spaced("5 millis"))),
    ({ server }) => Effect.sync(() => server.close())
  ).pipe(Effect.map(({ heard }) => heard))

const run = <A, E, R>(test: Effect.Effect<A, E, R>) => Effect.provide(test, [GatewayTest.layer(), NodeServices.layer])

describe.skipIf(Sshd.findSync() === undefined)("a tunnel that several processes want", () => {
  it.live(
    "is one ssh, whatever near end each asked for, and goes to exactly one of them when its holder is killed",
    () =>
      run(
        Effect.gen(function* () {
          const { other, sshd, started } = yield* setup
          const port = yield* Sshd.freePort
          const holder = yield* other(port)
          const up = yield* holder.until("Up")
          const followers = [yield* other(yield* Sshd.freePort), yield* other(yield* Sshd.freePort)]
          const seen = yield* Effect.forEach(followers, (follower) => follower.until("Up"))
          assert.deepStrictEqual(
            [up, ...seen].map(({ localPort }) => localPort),
            [port, port, port]
          )
          assert.lengthOf(started(), 1)

          yield* holder.end("SIGKILL")
          const after = yield* Effect.forEach(followers, (follower, index) =>
            follower.until("Up", seen[index]?.generation)
          )
          assert.strictEqual(after[0]?.localPort, after[1]?.localPort)
          assert.notStrictEqual(after[0]?.localPort, port)
          assert.strictEqual(started().filter(sshd.runs).length, 1)
        })
      )
  )

  it.live("is used, and not held, by a program that soon ends; without a holder that has an ssh of its own", () =>
    run(
      Effect.gen(function* () {
        const { key, other, own, root, running } = yield* setup
        const port = yield* Sshd.freePort
        yield* Effect.scoped(
          Effect.gen(function* () {
            const alone = yield* (yield* own(port, false)).ready
            assert.notStrictEqual(alone.localPort, port)
            const tunnels = path.join(root, "tunnels")
            assert.isFalse(Fs.existsSync(tunnels) && Fs.readdirSync(tunnels).some((name) => name.startsWith(key)))
          })
        )
        const holder = yield* other(port)
        yield* holder.until("Up")
        const using = yield* own(yield* Sshd.freePort, false)
        const first = yield* using.ready
        assert.strictEqual(first.localPort, port)
        assert.lengthOf(running(), 1)

        yield* holder.end("SIGKILL")
        // The near end of the dead one is no longer this tunnel's.
        const second = yield* using.ready
        assert.notStrictEqual(second.localPort, port)
        assert.isAbove(second.generation, first.generation)
      })
    )
  )

  it.live("is down for all when its ssh is, and whoever has the port meanwhile hears nothing of them", () =>
    run(
      Effect.gen(function* () {
        const { other, own, sshd } = yield* setup
        const port = yield* Sshd.freePort
        const holder = yield* other(port)
        yield* holder.until("Up")
        const following = yield* own(yield* Sshd.freePort, true)
        const first = yield* following.ready
        yield* sshd.stop
        yield* sshd.signal("SIGKILL")
        const waiting = yield* Effect.scoped(
          Effect.gen(function* () {
            const heard = yield* stranger(port)
            const error = yield* SubscriptionRef.changes(following.state).pipe(
              Stream.filter((state) => state._tag === "Waiting"),
              Stream.runHead
            )
            assert.strictEqual(Option.getOrThrow(error).error._tag, "SshUnreachable")
            const fiber = yield* Effect.forkDetach(following.ready, { startImmediately: true })
            // Many turns of its holder's tries.
            yield* SubscriptionRef.changes(following.state).pipe(
              Stream.filter((state) => state.generation > first.generation + 2),
              Stream.runHead
            )
            assert.isUndefined(fiber.pollUnsafe())
            assert.strictEqual(heard(), 0)
            return fiber
          })
        )
        yield* sshd.start
        const second = yield* Fiber.join(waiting)
        assert.strictEqual(second.localPort, port)
        assert.isAbove(second.generation, first.generation)
      })
    )
  )

  it.live("does not stand while its holder is stopped: who can wait waits, who cannot goes on alone", () =>
    run(
      Effect.gen(function* () {
        const { other, own, running } = yield* setup
        const port = yield* Sshd.freePort
        const holder = yield* other(port)
        yield* holder.until("Up")
        const patient = yield* own(yield* Sshd.freePort, true)
        const hasty = yield* own(yield* Sshd.freePort, false)
        yield* patient.ready
        yield* hasty.ready
        holder.child.kill("SIGSTOP")
        const waiting = yield* Effect.forkChild(patient.ready, { startImmediately: true })
        assert.notStrictEqual((yield* hasty.ready).localPort, port)
        assert.lengthOf(running(), 2)
        const silent = yield* SubscriptionRef.changes(patient.state).pipe(
          Stream.filter((state) => state._tag === "Waiting"),
          Stream.runHead
        )
        assert.deepInclude(Option.getOrThrow(silent).error, { _tag: "TunnelHolderSilent", pid: holder.child.pid ?? 0 })
        assert.isUndefined(waiting.pollUnsafe())
        holder.child.kill("SIGCONT")
        assert.strictEqual((yield* Fiber.join(waiting)).localPort, port)
      })
    )
  )

  it.live("is not believed to be held by what a dead or another process left, whatever that says", () =>
    run(
      Effect.gen(function* () {
        const { key, own, root, running } = yield* setup
        const tunnels = path.join(root, "tunnels")
        Fs.mkdirSync(tunnels, { recursive: true, mode: 0o700 })
        Fs.chmodSync(root, 0o700)
        // The pid of a process that lives, which is not the one that wrote it.
        const lock = { pid: process.pid, started: "another time", nonce: "0".repeat(32) }
        Fs.writeFileSync(path.join(tunnels, `${key}.lock`), JSON.stringify(lock), { mode: 0o600 })
        Fs.writeFileSync(path.join(tunnels, `${key}.json`), "{", { mode: 0o600 })
        Fs.writeFileSync(path.join(tunnels, `${key}.sock`), "", { mode: 0o600 })
        const using = yield* (yield* own(yield* Sshd.freePort, false)).ready
        const port = yield* Sshd.freePort
        const held = yield* (yield* own(port, true)).ready
        assert.strictEqual(held.localPort, port)
        assert.notStrictEqual(using.localPort, port)
        assert.lengthOf(running(), 2)
      })
    )
  )

  it.live("is shared in a state directory whose path is too long for a socket", () =>
    run(
      Effect.gen(function* () {
        const { own, root, running } = yield* setup
        const long = path.join(root, ...Array.from({ length: 6 }, () => "d".repeat(30)))
        const port = yield* Sshd.freePort
        yield* (yield* own(port, true, long)).ready
        assert.strictEqual((yield* (yield* own(yield* Sshd.freePort, false, long)).ready).localPort, port)
        assert.lengthOf(running(), 1)
      })
    )
  )
})
