/**
 * The rule-driven assistant, through the real tool loop and the real tools.
 */
import { assert, describe, it } from "@effect/vitest"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import * as Schema from "effect/Schema"
import * as Stream from "effect/Stream"
import * as Offline from "../../src/layers/models/offline.ts"
import { argvOf, readIntent } from "../../src/layers/models/offline/intent.ts"
import type { TranscriptMessage } from "../../src/protocol/methods/chat.ts"
import { Models } from "../../src/services/Models.ts"
import { InvokeFailed } from "../../src/services/NodeRegistry.ts"
import { makeWorld, request, run, type TestNode } from "../agent/fixtures.ts"

const models = Layer.effect(
  Models,
  Effect.map(Offline.make, (service) =>
    Models.of({
      resolve: () => Effect.succeed({ ref: "builtin/offline", provider: "builtin", model: "offline", service }),
      defaultRef: Effect.succeed("builtin/offline")
    })
  )
)

const ran: Array<unknown> = []
const nodes: ReadonlyArray<TestNode> = [
  {
    nodeId: "aaaa1111bbbb2222",
    displayName: "Studio Mac",
    platform: "macos",
    commands: {
      "device.info": () => Effect.succeed({ deviceName: "Studio Mac", osVersion: "15.2", modelIdentifier: "Mac14,13" }),
      "device.status": () =>
        Effect.succeed({
          uptimeSeconds: 93_784,
          loadAverage: [0.5, 0.25, 0.1],
          storage: { freeBytes: 1_073_741_824, totalBytes: 4_294_967_296 }
        }),
      "system.run": (params) => {
        ran.push(params)
        return Effect.succeed({ exitCode: 3, stdout: "out\n", stderr: "oops\n", timedOut: false, success: false })
      },
      "system.which": () => Effect.succeed({ bins: { git: "/usr/bin/git" } })
    }
  },
  {
    nodeId: "cccc3333dddd4444",
    displayName: "pocket",
    platform: "android",
    commands: {
      "device.status": () => Effect.succeed({ battery: { level: 0.42, state: "charging" }, uptimeSeconds: 60 }),
      "camera.snap": () =>
        Effect.fail(new InvokeFailed({ nodeId: "p", command: "camera.snap", code: "DENIED", message: "no permission" }))
    }
  },
  {
    nodeId: "eeee5555ffff6666",
    displayName: "rack",
    platform: "linux",
    commands: {
      "system.run": (params) => {
        ran.push(params)
        return Effect.succeed({ exitCode: 0, stdout: " 10:00 up 3 days\n", stderr: "", timedOut: false })
      }
    }
  },
  { nodeId: "99998888", displayName: "attic", platform: "linux", connected: false, commands: {} }
]

const ask = (
  text: string,
  options: { nodes?: ReadonlyArray<TestNode>; history?: ReadonlyArray<TranscriptMessage> } = {}
) => {
  const world = makeWorld({ nodes: options.nodes ?? nodes, history: options.history ?? [] })
  return Effect.map(Effect.provide(run(request(text)), world.provide(models)), (outcome) => ({ ...outcome, world }))
}

describe("builtin/offline", () => {
  const answers: ReadonlyArray<readonly [string, ReadonlyArray<RegExp>]> = [
    ["what is the uptime of the studio mac?", [/Studio Mac: uptime 1 d 2 h 3 min\./]],
    ["battery of my phone?", [/pocket: battery level 42%, battery state charging\./]],
    ["how much disk space is left on studio", [/storage free 1 GB/, /storage total 4 GB/]],
    ["What OS version does cccc3333 run? battery", [/pocket.*42%/]],
    ["which os version is on the mac", [/os version 15\.2/]],
    ["status of rack", [/`uptime` on rack finished/, /up 3 days/]],
    ["battery of studio", [/does not report battery\. It reports: .*uptime/]],
    ["is git installed on studio mac?", [/^git on Studio Mac is \/usr\/bin\/git\.$/]],
    ["which hg on the mac", [/hg was not found on Studio Mac/]],
    ["run `ls -l | wc` on rack", [/`ls -l \| wc` on rack finished/]],
    ["run df -h on studio mac", [/`df -h` on Studio Mac ended with exit code 3/, /out\noops/]],
    ["invoke camera.snap on pocket", [/did not work: pocket answered with an error \(DENIED\): no permission/]],
    ["which nodes are connected?", [/4 nodes/, /Studio Mac \(macos\): connected/, /attic \(linux\): not connected/]],
    ["uptime of attic", [/attic is known but not connected/]],
    ["uptime of mars", [/No node is called "mars"\. Connected: Studio Mac, pocket, rack\./]],
    ["run uptime on pocket", [/pocket does not offer system\.run/]],
    ["battery level", [/^Which node do you mean: Studio Mac or pocket\?$/]],
    ["hello", [/no language model/]],
    ["write me a poem about the sea", [/I am no language model/, /beyond/]]
  ]
  for (const [text, expected] of answers) {
    it.effect(`"${text}"`, () =>
      Effect.gen(function* () {
        const outcome = yield* ask(text)
        assert.strictEqual(outcome.status, "ok")
        for (const words of expected) assert.match(outcome.text, words)
        // The same conversation gets the same answer.
        assert.strictEqual((yield* ask(text)).text, outcome.text)
      })
    )
  }

  it.effect("lists the nodes first, and only then calls the one it chose", () =>
    Effect.gen(function* () {
      const { toolCalls, world } = yield* ask("what is the uptime of the studio mac?")
      assert.strictEqual(toolCalls, 2)
      assert.deepStrictEqual(
        world.invokes.map((call) => [call.nodeId, call.command]),
        [["aaaa1111bbbb2222", "device.status"]]
      )
    })
  )

  it.effect("streams its answer", () =>
    Effect.gen(function* () {
      const model = yield* Offline.make
      const deltas = yield* model.streamText({ prompt: "hello" }).pipe(
        Stream.filter((part) => part.type === "text-delta"),
        Stream.runCollect
      )
      assert.isAbove(deltas.length, 20)
      const whole = yield* model.generateText({ prompt: "hello" })
      assert.strictEqual(deltas.map((part) => part.delta).join(""), whole.text)
    })
  )

  it.effect("picks the only node when none is named, and says when there is none", () =>
    Effect.gen(function* () {
      assert.match((yield* ask("battery?", { nodes: nodes.slice(1, 2) })).text, /pocket: battery level 42%/)
      assert.match((yield* ask("uptime", { nodes: [] })).text, /No node is connected/)
      assert.match((yield* ask("uptime", { nodes: nodes.slice(3) })).text, /No node is connected/)
    })
  )

  it.effect("reads the answer to its own question together with what was asked before", () =>
    Effect.gen(function* () {
      const question = (yield* ask("battery level")).text
      const history: ReadonlyArray<TranscriptMessage> = [
        { role: "user", content: "battery level", runId: "r0" },
        { role: "assistant", content: [{ type: "text", text: question }], runId: "r0" }
      ]
      assert.match((yield* ask("the pocket one", { history })).text, /pocket: battery level 42%/)
    })
  )

  it.effect("tells two nodes of one name apart by their ids", () =>
    Effect.gen(function* () {
      const twins = ["11112222", "33334444"].map((nodeId) => ({ ...nodes[1]!, nodeId }))
      assert.strictEqual(
        (yield* ask("battery of pocket", { nodes: twins })).text,
        "Which node do you mean: pocket (11112222) or pocket (33334444)?"
      )
      assert.match((yield* ask("battery of 33334444", { nodes: twins })).text, /42%/)
    })
  )

  it.effect("sends a message when told exactly what and where", () =>
    Effect.gen(function* () {
      const { text, world } = yield* ask('send "dinner is ready" to 12345 on telegram')
      assert.strictEqual(text, "Sent to 12345.")
      assert.deepInclude(world.sends[0], { to: "12345", text: "dinner is ready", channel: "telegram" })
    })
  )

  it.effect("hands the node an argument list, and a shell only what needs one", () =>
    Effect.gen(function* () {
      ran.length = 0
      yield* ask('run `git commit -m "two words"` on rack')
      yield* ask("run `ps | wc` on rack")
      assert.deepStrictEqual(
        ran.map((params) => (params as { command: unknown }).command),
        [
          ["git", "commit", "-m", "two words"],
          ["sh", "-c", "ps | wc"]
        ]
      )
    })
  )

  it.prop("has an intent and an answer for any text", [Schema.String], ([text]) => {
    assert.isString(readIntent(text).kind)
    assert.isAtLeast(argvOf(text).length, 0)
    const plan = Offline.next([], [])
    assert.strictEqual(plan.kind, "say")
  })
})
