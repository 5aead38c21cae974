/** A turn that waits for a person, and whose Gateway is killed: before the word, right after it, and while the command runs. */
import * as ChildProcess from "node:child_process"
import { once } from "node:events"
import * as Fs from "node:fs"
import * as Path from "node:path"
import * as Readline from "node:readline"
import { DatabaseSync } from "node:sqlite"
import { fileURLToPath } from "node:url"
import * as NodeServices from "@effect/platform-node/NodeServices"
import { assert, describe, it } from "@effect/vitest"
import * as Effect from "effect/Effect"
import * as FileSystem from "effect/FileSystem"
import * as Stream from "effect/Stream"
import { GatewayClient } from "../../src/client/GatewayClient.ts"
import { token } from "../../src/domain/Credential.ts"
import { loopback } from "../../src/domain/Endpoint.ts"
import { FILE as JOURNAL } from "../../src/node-host/InvokeMemory.ts"
import type * as GatewayTest from "../../src/testing/GatewayTest.ts"
import { startNode } from "./realNode.ts"

type Kit = Omit<GatewayTest.GatewayTest["Service"], "ask" | "client">

const child = fileURLToPath(new URL("child.ts", import.meta.url))
const secret = "a-secret-of-this-test"
const sessionKey = "agent:main:main"

/** One life of the Gateway, until it is killed. `port`: 0 for any. */
const startGateway = Effect.fnUntraced(function* (stateDir: string, port: number, command: string) {
  const running = yield* Effect.acquireRelease(
    Effect.sync(() =>
      ChildProcess.spawn(process.execPath, [child, stateDir, String(port), command], {
        stdio: ["ignore", "pipe", "inherit"],
        env: {}
      })
    ),
    (spawned) => Effect.sync(() => spawned.kill("SIGKILL"))
  )
  const ended = once(running, "exit")
  const listening = yield* Effect.callback<number, string>((resume) => {
    Readline.createInterface({ input: running.stdout }).on("line", (line) => {
      const [, found] = /^listening (\d+)$/.exec(line) ?? []
      if (found !== undefined) resume(Effect.succeed(Number(found)))
    })
    running.once("exit", () => resume(Effect.fail("the Gateway did not start")))
  })
  const endpoint = loopback(listening)
  const kit: Kit = {
    endpoint,
    port: listening,
    token: secret,
    stateDir,
    connect: (options) =>
      GatewayClient.make({
        endpoint,
        client: { id: "cli", mode: "cli", version: "1.0.0", platform: "test" },
        scopes: ["operator.admin"],
        credentials: [token(secret)],
        ...options
      })
  }
  const kill = Effect.promise(() => {
    running.kill("SIGKILL")
    return ended
  })
  return { kit, kill }
})

/** A node that is as young as the test cannot vouch for what was before: this one knows of the last ten minutes. */
const ageNode = (root: string) => {
  const journal = new DatabaseSync(Path.join(root, JOURNAL))
  journal.exec("UPDATE span SET whole_since = whole_since - 600000")
  journal.close()
}

/** A Gateway with a node that is approved, and a turn that asks; `command` is what the node's shell would run. */
const waiting = Effect.fnUntraced(function* (command: (folder: string) => string) {
  const fs = yield* FileSystem.FileSystem
  const folder = yield* fs.makeTempDirectoryScoped()
  const stateDir = Path.join(folder, "state")
  Fs.mkdirSync(stateDir, { mode: 0o700 })
  const config = { gateway: { mode: "local", auth: { mode: "token", token: secret } } }
  Fs.writeFileSync(Path.join(stateDir, "openclaw.json"), JSON.stringify(config), { mode: 0o600 })
  const start = (port: number) => startGateway(stateDir, port, command(folder))

  const first = yield* start(0)
  const node = yield* startNode(first.kit)
  ageNode(node.root)
  const person = yield* first.kit.connect({ caps: ["approvals"] })
  yield* person.call["chat.send"]({ sessionKey, message: "do it", idempotencyKey: "asks" })
  const [question] = yield* person.call["exec.approval.list"]({}).pipe(
    Effect.repeat({ until: (list) => list.length > 0 })
  )
  const allow = (by: typeof person) =>
    by.call["exec.approval.resolve"]({ id: question!.id, decision: "allow-once" as const })
  const lines = Effect.sync(() => {
    const file = Path.join(folder, "ran")
    return Fs.existsSync(file) ? Fs.readFileSync(file, "utf8").split("\n").filter(Boolean) : []
  })
  return { folder, first, person, question: question!, allow, lines, again: start(first.kit.port) }
}, Effect.orDie)

/** What was said, once the turn has ended. */
const ending = Effect.fnUntraced(function* (client: Effect.Success<ReturnType<Kit["connect"]>>) {
  const [, end] = yield* Stream.runCollect(client.call.agent({ message: "do it", sessionKey, idempotencyKey: "asks" }))
  const { messages } = (yield* client.call["chat.history"]({ sessionKey })) as {
    readonly messages: ReadonlyArray<unknown>
  }
  return { end, said: JSON.stringify(messages) }
})

const isReady = (file: string) =>
  Effect.repeat(
    Effect.sync(() => Fs.existsSync(file)),
    { until: (is) => is }
  )

describe("kill -9", () => {
  it.live("while a person is asked: the question waits on under its id, and its answer counts", () =>
    Effect.gen(function* () {
      const { again, allow, first, lines, question } = yield* waiting((folder) => `echo ran >> ${folder}/ran`)
      yield* first.kill
      const { kit } = yield* again
      const person = yield* kit.connect({ caps: ["approvals"] })
      const list = yield* person.call["exec.approval.list"]({})
      assert.deepStrictEqual(list, [question])
      assert.deepStrictEqual(yield* lines, [])
      yield* allow(person)
      const { said } = yield* ending(person)
      assert.include(said, "Done.")
      assert.notInclude(said, "outcome unknown")
      assert.deepStrictEqual(yield* lines, ["ran"])
      assert.deepStrictEqual(yield* person.call["exec.approval.list"]({}), [])
    }).pipe(Effect.scoped, Effect.provide(NodeServices.layer))
  )

  it.live("as soon as a person has answered: nobody is asked again, and it runs once", () =>
    Effect.gen(function* () {
      const { again, allow, first, lines, person } = yield* waiting((folder) => `echo ran >> ${folder}/ran`)
      yield* allow(person)
      yield* first.kill
      const { kit } = yield* again
      const other = yield* kit.connect({ caps: ["approvals"] })
      assert.deepStrictEqual(yield* other.call["exec.approval.list"]({}), [])
      const { said } = yield* ending(other)
      assert.include(said, "Done.")
      assert.notInclude(said, "outcome unknown")
      assert.deepStrictEqual(yield* lines, ["ran"])
    }).pipe(Effect.scoped, Effect.provide(NodeServices.layer))
  )

  it.live("while the command runs: its answer is had from the node, which does not run it again", () =>
    Effect.gen(function* () {
      const { again, allow, first, folder, lines, person } = yield* waiting(
        (place) => `echo ran >> ${place}/ran; while [ ! -e ${place}/go ]; do sleep 0.05; done; echo finished`
      )
      yield* allow(person)
      yield* isReady(Path.join(folder, "ran"))
      yield* first.kill
      const { kit } = yield* again
      Fs.writeFileSync(Path.join(folder, "go"), "")
      const { said } = yield* ending(yield* kit.connect())
      assert.include(said, "finished")
      assert.notInclude(said, "outcome unknown")
      assert.deepStrictEqual(yield* lines, ["ran"])
    }).pipe(Effect.scoped, Effect.provide(NodeServices.layer))
  )
})
