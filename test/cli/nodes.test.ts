import { assert, describe, it } from "@effect/vitest"
import * as Effect from "effect/Effect"
import { gateway, home, run } from "./kit.ts"

const A = "aaaa1111bbbb2222cccc3333dddd4444aaaa1111bbbb2222cccc3333dddd4444"
const B = "aaaa9999bbbb2222cccc3333dddd4444aaaa1111bbbb2222cccc3333dddd4444"

const laptop = {
  nodeId: A,
  displayName: "Laptop",
  platform: "linux",
  deviceFamily: "Linux",
  version: "0.1.0",
  remoteIp: "192.168.1.7",
  commands: ["system.which", "system.run"],
  caps: ["system"],
  approvalState: "approved",
  paired: true,
  connected: true,
  connectedAtMs: 1,
  lastConnectedAtMs: 1
}
const phone = {
  nodeId: B,
  displayName: "Phone \u001b[2J\u202e",
  platform: "ios",
  approvalState: "pending-approval",
  pendingRequestId: "req-1",
  pendingDeclaredCommands: ["camera.snap"],
  paired: true,
  connected: false,
  // In a time that is to come, which is the only one that is recent for every run of the test.
  lastConnectedAtMs: 9_000_000_000_000
}
const pending = {
  requestId: "req-1",
  nodeId: B,
  displayName: phone.displayName,
  commands: ["camera.snap", "location.get"],
  ts: 1
}
const unknownRequest = () => {
  throw { code: "INVALID_REQUEST", message: "unknown requestId" }
}

const answers = {
  "node.list": () => ({ ts: 1, nodes: [laptop, phone] }),
  "node.describe": ({ nodeId }: { readonly nodeId: string }) => ({ ts: 1, ...(nodeId === A ? laptop : phone) }),
  "node.pair.list": () => ({ pending: [pending], paired: [{ nodeId: A, displayName: "Laptop" }] }),
  "node.invoke": ({ command, nodeId, params }: Record<string, unknown>) => ({
    ok: true,
    nodeId,
    command,
    payload: params,
    payloadJSON: JSON.stringify(params)
  }),
  "node.pair.approve": ({ requestId }: { readonly requestId: string }) =>
    requestId === "req-1" ? { requestId, node: { nodeId: B, commands: ["camera.snap"] } } : unknownRequest(),
  "node.pair.reject": ({ requestId }: { readonly requestId: string }) =>
    requestId === "req-1" ? { requestId, nodeId: B } : unknownRequest()
}
const empty = {
  "node.list": () => ({ ts: 1, nodes: [] }),
  "node.pair.list": () => ({ pending: [], paired: [] }),
  "device.pair.list": () => ({ pending: [], paired: [] })
}

const rig = (given: Parameters<typeof gateway>[0]) =>
  Effect.gen(function* () {
    const server = yield* gateway(given)
    const setting = { home: yield* home }
    return { server, cli: (...args: ReadonlyArray<string>) => run(setting, ...args, ...server.flags) }
  })

describe("nodes", () => {
  it.live("list and status show who is connected, paired, and waits for approval", () =>
    Effect.gen(function* () {
      const { cli } = yield* rig(answers)
      const list = yield* cli("nodes", "list")
      assert.strictEqual(list.code, 0)
      assert.match(list.stdout, /Pending: 1 · Known: 2/)
      assert.match(list.stdout, /req-1 .*camera\.snap location\.get/)
      assert.match(list.stdout, /Laptop .*192\.168\.1\.7 .*connected .*approved/)
      assert.match(list.stdout, /disconnected .*waits for approval/)
      assert.match(list.stdout, /openclaw nodes approve/)
      assert.notInclude(list.stdout, "\u001b")
      assert.notInclude(list.stdout, "\u202e")
      const connected = yield* cli("nodes", "list", "--connected")
      assert.notMatch(connected.stdout, /disconnected/)
      const json = (...flags: ReadonlyArray<string>) =>
        Effect.map(cli("nodes", "status", ...flags, "--json"), ({ stdout }) => JSON.parse(stdout).nodes)
      assert.deepStrictEqual(yield* json("--connected"), [laptop])
      assert.deepStrictEqual(yield* json("--last-connected", "24h"), [phone])
      const recent = JSON.parse((yield* cli("nodes", "list", "--last-connected", "1d", "--json")).stdout)
      assert.deepStrictEqual(recent.paired, [])
      assert.include(
        (yield* cli("nodes", "status", "--last-connected", "1d", "--connected")).stdout,
        "No such node connected within"
      )
      assert.match((yield* cli("nodes", "list", "--last-connected", "soon")).stderr, /is no duration[\s\S]*Fix: /)

      const status = yield* cli("nodes", "status")
      assert.match(status.stdout, /Known: 2 · Paired: 2 · Connected: 1/)
      assert.match(status.stdout, /paired · connected \(.* ago\) · approved/)
      assert.match(status.stdout, /openclaw nodes pending/)
      assert.deepStrictEqual(JSON.parse((yield* cli("nodes", "status", "--json")).stdout), {
        ts: 1,
        nodes: [laptop, phone]
      })
      assert.deepStrictEqual(JSON.parse((yield* cli("nodes", "pending", "--json")).stdout), [pending])
    }).pipe(Effect.scoped)
  )

  it.live("says what to do when there is nothing yet", () =>
    Effect.gen(function* () {
      const { cli } = yield* rig(empty)
      for (const command of ["list", "status"]) assert.match((yield* cli("nodes", command)).stdout, /openclaw node run/)
      assert.match((yield* cli("nodes", "list", "--connected")).stdout, /No node is connected/)
      assert.match((yield* cli("nodes", "pending")).stdout, /No node waits.*openclaw devices list/)
      assert.match((yield* cli("nodes", "describe", "--node", "x")).stderr, /unknown node: x[\s\S]*openclaw node run/)
    }).pipe(Effect.scoped)
  )

  it.live.each(["Laptop", "laptop", A, "aaaa1111", "192.168.1.7"])("describes the node that %s names", (name) =>
    Effect.gen(function* () {
      const { cli } = yield* rig(answers)
      const ended = yield* cli("nodes", "describe", "--node", name)
      assert.strictEqual(ended.code, 0)
      assert.include(ended.stdout, A)
      assert.match(ended.stdout, /Commands\n- system\.run\n- system\.which/)
    }).pipe(Effect.scoped)
  )

  it.live.each([
    ["zzz", /unknown node: zzz[\s\S]*Known: Laptop \(aaaa1111bbbb\)/],
    ["aaaa", /names 2 nodes[\s\S]*Fix: /],
    ["aaa", /unknown node: aaa/],
    ["", /unknown node/]
  ] as const)("refuses to guess what %j means", ([name, says]) =>
    Effect.gen(function* () {
      const { cli } = yield* rig(answers)
      const ended = yield* cli("nodes", "describe", "--node", name)
      assert.strictEqual(ended.code, 1)
      assert.match(ended.stderr, says)
      assert.notInclude(ended.stderr, "\u001b")
    }).pipe(Effect.scoped)
  )

  it.live("a display name cannot stand in for another node's id", () =>
    Effect.gen(function* () {
      const { cli, server } = yield* rig({
        ...answers,
        "node.list": () => ({ nodes: [{ ...phone, displayName: A }, laptop] })
      })
      yield* cli("nodes", "describe", "--node", A)
      assert.deepStrictEqual(server.requests.at(-1)?.params, { nodeId: A })
    }).pipe(Effect.scoped)
  )

  it.live("describes what waits for approval", () =>
    Effect.gen(function* () {
      const { cli } = yield* rig(answers)
      const ended = yield* cli("nodes", "describe", "--node", B)
      assert.match(ended.stdout, /wait for approval\n- camera\.snap[\s\S]*openclaw nodes approve req-1/)
    }).pipe(Effect.scoped)
  )

  it.live("invokes by name and prints the answer", () =>
    Effect.gen(function* () {
      const { cli, server } = yield* rig(answers)
      const given = ["nodes", "invoke", "--node", "laptop", "--command", "system.which", "--params", '{"bins":["sh"]}']
      const ended = yield* cli(...given, "--invoke-timeout", "700", "--idempotency-key", "k-1")
      assert.strictEqual(ended.code, 0)
      assert.deepStrictEqual(JSON.parse(ended.stdout).payload, { bins: ["sh"] })
      assert.deepStrictEqual(server.requests.at(-1)?.params, {
        nodeId: A,
        command: "system.which",
        params: { bins: ["sh"] },
        timeoutMs: 700,
        idempotencyKey: "k-1"
      })
      assert.deepStrictEqual(server.connects.at(-1)?.params["scopes"], ["operator.write"])
      yield* cli(...given)
      yield* cli("nodes", "invoke", "--node", "laptop", "--command", "fs.listDir")
      assert.deepStrictEqual(server.connects.at(-1)?.params["scopes"], ["operator.admin"])
      const keys = server.requests
        .filter(({ method }) => method === "node.invoke")
        .map(({ params }) => params["idempotencyKey"])
      assert.strictEqual(new Set(keys).size, 3)
    }).pipe(Effect.scoped)
  )

  it.live.each(["system.run", "system.run.prepare", " system.run ", ""])("does not send %j at all", (command) =>
    Effect.gen(function* () {
      const { cli, server } = yield* rig(answers)
      const ended = yield* cli("nodes", "invoke", "--node", "Laptop", "--command", command)
      assert.strictEqual(ended.code, 1)
      assert.match(ended.stderr, /Fix: /)
      assert.deepStrictEqual(server.connects, [])
    }).pipe(Effect.scoped)
  )

  it.live("params that are no JSON are refused before anything is sent, and not repeated", () =>
    Effect.gen(function* () {
      const { cli, server } = yield* rig(answers)
      for (const given of [
        ["nodes", "invoke", "--node", "Laptop", "--command", "system.which", "--params", "{canary"],
        ["gateway", "call", "health", "--params", "{canary"]
      ]) {
        const ended = yield* cli(...given)
        assert.strictEqual(ended.code, 1)
        assert.match(ended.stderr, /--params must be valid JSON[\s\S]*Fix: /)
        assert.notInclude(ended.stderr, "canary")
      }
      assert.deepStrictEqual(server.connects, [])
    }).pipe(Effect.scoped)
  )

  it.live("approve and reject take exactly the id that is given", () =>
    Effect.gen(function* () {
      const { cli } = yield* rig(answers)
      assert.match((yield* cli("nodes", "approve", "req-1")).stdout, /Approved .*camera\.snap/)
      assert.match((yield* cli("nodes", "reject", "req-1")).stdout, /Rejected aaaa9999/)
      for (const command of ["approve", "reject"]) {
        const ended = yield* cli("nodes", command, "req")
        assert.strictEqual(ended.code, 1)
        assert.match(ended.stderr, /no pending request has the id req\.[\s\S]*Fix: .*openclaw nodes pending/)
      }
    }).pipe(Effect.scoped)
  )
})

describe("devices", () => {
  const device = { deviceId: A, displayName: "Tablet", roles: ["operator"], scopes: ["operator.read"] }
  const devices = {
    "device.pair.list": () => ({
      pending: [
        { requestId: "old", ...device, ts: 1 },
        { requestId: "new", ...device, isRepair: true, ts: 2 }
      ],
      paired: [{ ...device, tokens: [{ role: "operator", scopes: [], createdAtMs: 1, revokedAtMs: 2 }] }]
    }),
    "device.pair.approve": ({ requestId }: { readonly requestId: string }) =>
      requestId === "new" ? { requestId, device } : unknownRequest(),
    "device.pair.reject": ({ requestId }: { readonly requestId: string }) =>
      requestId === "new" ? { requestId, deviceId: A } : unknownRequest()
  }

  it.live("list shows what a device asks for and has", () =>
    Effect.gen(function* () {
      const { cli } = yield* rig(devices)
      const ended = yield* cli("devices", "list")
      assert.match(ended.stdout, /Pending \(2\)[\s\S]*roles: operator; scopes: operator\.read[\s\S]*asks again/)
      assert.match(ended.stdout, /Paired \(1\)[\s\S]*operator \(revoked\)/)
    }).pipe(Effect.scoped)
  )

  it.live("approve without an id, or with --latest, only shows the newest request", () =>
    Effect.gen(function* () {
      const { cli, server } = yield* rig(devices)
      for (const given of [[], ["--latest"], ["old", "--latest"]]) {
        const ended = yield* cli("devices", "approve", ...given)
        assert.strictEqual(ended.code, 1)
        assert.match(ended.stderr, /Fix: .*openclaw devices approve new/)
      }
      assert.isFalse(server.requests.some(({ method }) => method === "device.pair.approve"))
    }).pipe(Effect.scoped)
  )

  it.live("approve and reject by id", () =>
    Effect.gen(function* () {
      const { cli } = yield* rig(devices)
      assert.strictEqual((yield* cli("devices", "approve", "new")).stdout, `Approved ${A} (new)`)
      assert.strictEqual((yield* cli("devices", "reject", "new")).stdout, `Rejected ${A}`)
      for (const command of ["approve", "reject"]) {
        assert.match((yield* cli("devices", command, "gone")).stderr, /no pending request[\s\S]*openclaw devices list/)
      }
      const none = yield* rig(empty)
      assert.match((yield* none.cli("devices", "approve")).stderr, /No device waits[\s\S]*Fix: /)
      assert.match((yield* none.cli("devices", "list")).stdout, /No device is paired yet/)
    }).pipe(Effect.scoped)
  )
})
