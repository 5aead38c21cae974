/** `openclaw devices`, `openclaw nodes rename|remove`, `openclaw qr`, `openclaw node run --pair`. */
import { assert, describe, it } from "@effect/vitest"
import * as Context from "effect/Context"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import * as GatewayTest from "../../src/testing/GatewayTest.ts"
import * as ScriptedModel from "../../src/testing/ScriptedModel.ts"
import { contentOf } from "../devices/kit.ts"
import { gateway, home, run, start } from "./kit.ts"

const refuse = (message: string) => () => {
  throw { code: "INVALID_REQUEST", message }
}
const laptop = { nodeId: "n1", displayName: "Laptop", paired: true, connected: true }

const answers = {
  "device.pair.list": () => ({
    pending: [
      { requestId: "r1", deviceId: "d1", ts: 1 },
      { requestId: "r2", deviceId: "d9", ts: 1 }
    ],
    paired: [
      { deviceId: "d1", operatorLabel: "Desk\u001b[2J", displayName: "tui", roles: ["operator"] },
      { deviceId: "d2", displayName: "Phone", roles: ["node"] }
    ]
  }),
  "device.pair.remove": ({ deviceId }: { readonly deviceId: string }) =>
    deviceId.startsWith("d") ? { deviceId } : refuse("unknown deviceId")(),
  "device.pair.reject": ({ requestId }: { readonly requestId: string }) => ({ requestId, deviceId: "d9" }),
  "device.pair.rename": ({ deviceId, label }: Record<string, string>) =>
    deviceId === "d1" ? { deviceId, label } : refuse("unknown deviceId")(),
  "device.token.rotate": ({ deviceId, role, scopes = ["operator.read"] }: Record<string, any>) =>
    role === "node"
      ? refuse("device token rotation denied")()
      : { deviceId, role, scopes, rotatedAtMs: 5, token: "a-secret", tokenDelivery: "in-band" },
  "device.token.revoke": ({ deviceId, role }: Record<string, string>) =>
    role === "node" ? refuse("device token revocation denied")() : { deviceId, role, revokedAtMs: 5 },
  "node.list": () => ({ ts: 1, nodes: [laptop] }),
  "node.rename": ({ displayName, nodeId }: Record<string, string>) => ({ nodeId, displayName }),
  "node.pair.remove": ({ nodeId }: Record<string, string>) => ({ nodeId })
}

const rig = Effect.gen(function* () {
  const fake = yield* gateway(answers)
  const setting = { home: yield* home }
  const said = (...given: ReadonlyArray<string>) => run(setting, ...given, ...fake.flags)
  const asked = (method: string) =>
    fake.requests.filter((frame) => frame.method === method).map((frame) => frame.params)
  return { said, asked }
})

describe("openclaw devices", () => {
  it.live("rename, remove, rotate, revoke: say what was done, and what to do where it was not", () =>
    Effect.gen(function* () {
      const { asked, said } = yield* rig
      const list = yield* said("devices", "list")
      assert.include(list.stdout, "Desk\\u001b[2J", "the operator's name, made harmless")
      assert.strictEqual(
        (yield* said("devices", "rename", "--device", "d1", "--name", " Desk ")).stdout,
        "Renamed d1 → Desk"
      )
      const long = yield* said("devices", "rename", "--device", "d1", "--name", "x".repeat(65))
      assert.deepStrictEqual([long.code, /1 to 64 characters/.test(long.stderr)], [1, true])
      assert.strictEqual((yield* said("devices", "remove", "d1")).stdout, "Removed d1")
      const unknown = yield* said("devices", "remove", "nope")
      assert.strictEqual(unknown.code, 1)
      assert.include(unknown.stderr, "unknown deviceId: nope")
      const rotated = yield* said("devices", "rotate", "--device", "d1", "--role", "operator", "--json")
      assert.deepStrictEqual(JSON.parse(rotated.stdout), {
        deviceId: "d1",
        role: "operator",
        scopes: ["operator.read"],
        rotatedAtMs: 5,
        tokenDelivery: "in-band"
      })
      yield* said("devices", "rotate", "--device", "d1", "--role", "operator", "--scope", "a", "--scope", "b")
      yield* said("devices", "rotate", "--device", "d1", "--role", "operator", "--no-scopes")
      assert.deepStrictEqual(
        asked("device.token.rotate").map((params: any) => params.scopes),
        [undefined, ["a", "b"], []]
      )
      const both = yield* said(
        "devices",
        "rotate",
        "--device",
        "d1",
        "--role",
        "operator",
        "--no-scopes",
        "--scope",
        "a"
      )
      assert.strictEqual(both.code, 1)
      assert.include(
        (yield* said("devices", "revoke", "--device", "d1", "--role", "operator")).stdout,
        "Revoked the operator token of d1"
      )
      for (const action of ["rotate", "revoke"]) {
        const denied = yield* said("devices", action, "--device", "d1", "--role", "node")
        assert.strictEqual(denied.code, 1)
        assert.include(denied.stderr, "denied: device d1 has no token for the role node")
      }
    }).pipe(Effect.scoped)
  )

  it.live("clear removes nothing without --yes, and rejects what waits only with --pending", () =>
    Effect.gen(function* () {
      const { asked, said } = yield* rig
      const careful = yield* said("devices", "clear")
      assert.deepStrictEqual([careful.code, asked("device.pair.remove").length], [1, 0])
      assert.include(careful.stderr, "--yes")
      assert.strictEqual((yield* said("devices", "clear", "--yes")).stdout, "Cleared 2 paired devices")
      assert.strictEqual(asked("device.pair.reject").length, 0)
      const all = yield* said("devices", "clear", "--yes", "--pending", "--json")
      assert.deepStrictEqual(JSON.parse(all.stdout), { removedDevices: ["d1", "d2"], rejectedPending: ["r2"] })
    }).pipe(Effect.scoped)
  )
})

describe("openclaw nodes", () => {
  it.live("rename and remove find the node by its name", () =>
    Effect.gen(function* () {
      const { asked, said } = yield* rig
      assert.strictEqual(
        (yield* said("nodes", "rename", "--node", "laptop", "--name", "Attic")).stdout,
        "Renamed n1 → Attic"
      )
      assert.deepStrictEqual(asked("node.rename"), [{ nodeId: "n1", displayName: "Attic" }])
      const json = yield* said("nodes", "remove", "--node", "laptop", "--json")
      assert.deepStrictEqual(JSON.parse(json.stdout), { nodeId: "n1" })
      assert.strictEqual((yield* said("nodes", "rename", "--node", "laptop", "--name", " ")).code, 1)
      const unknown = yield* said("nodes", "remove", "--node", "zzz")
      assert.deepStrictEqual([unknown.code, /unknown node: zzz/.test(unknown.stderr)], [1, true])
    }).pipe(Effect.scoped)
  )
})

describe("openclaw qr", () => {
  it.live("makes a code by which `node run --pair` gets in, approved, and comes back without it", () =>
    Effect.gen(function* () {
      const config = { gateway: { nodes: { pairing: { autoApproveLocal: false } } } }
      const services = yield* Layer.build(GatewayTest.layer({ models: ScriptedModel.layer(), config }))
      const kit = Context.get(services, GatewayTest.GatewayTest)
      const flags = ["--url", kit.endpoint, "--token", kit.token]
      const setting = { home: yield* home }
      const publicUrl = ["--public-url", kit.endpoint]
      const drawn = yield* run(setting, "qr", ...publicUrl, ...flags)
      assert.strictEqual(drawn.code, 0, drawn.stderr)
      assert.match(drawn.stdout, /▀|▄/)
      assert.include(drawn.stdout, "Access:")
      assert.notMatch((yield* run(setting, "qr", "--no-ascii", ...publicUrl, ...flags)).stdout, /▀|▄/)
      const json = JSON.parse((yield* run(setting, "qr", "--limited", "--json", ...publicUrl, ...flags)).stdout)
      assert.deepInclude(json, { access: "limited", gatewayUrl: kit.endpoint, auth: "token" })
      const both = yield* run(setting, "qr", "--limited", "--node", ...flags)
      assert.deepStrictEqual([both.code, both.stderr.includes("exclude each other")], [1, true])
      const nowhere = yield* run(setting, "qr", ...flags)
      assert.include(nowhere.stderr, "only bound to loopback")

      const code = (yield* run(setting, "qr", "--node", "--setup-code-only", ...publicUrl, ...flags)).stdout
      const secret = String(contentOf(code)["bootstrapToken"])
      const device = { home: yield* home }
      const connected = ({ stdout }: { readonly stdout: string }) =>
        stdout.includes("connected to the Gateway") ? true : undefined
      const first = yield* start(device, "node", "run", "--pair", `oc-pair://${code}`)
      yield* first.until(connected)
      const operator = yield* kit.connect()
      const { nodes } = yield* operator.call["node.list"]({}).pipe(
        Effect.repeat({ until: (list) => list.nodes?.[0]?.approvalState === "approved" })
      )
      assert.isTrue(nodes?.[0]?.commands?.includes("system.run"))
      const ended = yield* first.stop
      assert.notInclude(ended.stdout + ended.stderr, secret)
      // The code is spent; the token that came of it goes before it.
      const again = yield* start(device, "node", "run", "--pair", code)
      yield* again.until(connected)
      yield* again.stop
      const wrong = yield* run(device, "node", "run", "--pair", "nonsense")
      assert.deepStrictEqual([wrong.code, wrong.stderr.includes("--pair is not a setup code")], [1, true])
    }).pipe(Effect.scoped)
  )
})
