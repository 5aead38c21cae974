/** One tunnel for several processes, over a real sshd to a real Gateway. */
import { type ChildProcess, spawn } from "node:child_process"
import * as Fs from "node:fs"
import * as Os from "node:os"
import * as path from "node:path"
import * as NodeServices from "@effect/platform-node/NodeServices"
import { assert, describe, it } from "@effect/vitest"
import * as Effect from "effect/Effect"
import * as Schema from "effect/Schema"
import * as Files from "../../src/client/tunnel/sharedFiles.ts"
import * as SshTarget from "../../src/domain/SshTarget.ts"
import { TunnelState } from "../../src/services/TunnelManager.ts"
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
  return { key, other, root, sshd, started }
})

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
})
