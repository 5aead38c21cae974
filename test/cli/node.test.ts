import { readFileSync } from "node:fs"
import { join } from "node:path"
import { assert, describe, it } from "@effect/vitest"
import * as Effect from "effect/Effect"
import * as Result from "effect/Result"
import { atAddress } from "../../src/cli/commands/node/target.ts"
import { reveal } from "../../src/domain/Credential.ts"
import { home, type Printed, run, start } from "./kit.ts"

const portIn = ({ stdout }: Printed): number | undefined => {
  const line = stdout.split("\n").find((text) => text.includes('"ready":true'))
  return line === undefined ? undefined : JSON.parse(line).port
}
const says =
  (pattern: RegExp) =>
  ({ stdout }: Printed): true | undefined =>
    pattern.test(stdout) ? true : undefined

describe("node run", () => {
  it.live("connects, names what to approve, serves once approved, and ends with 0", () =>
    Effect.gen(function* () {
      const folder = yield* home
      const gateway = yield* start({ home: folder }, "gateway", "--port", "0", "--allow-unconfigured", "--json")
      const port = yield* gateway.until(portIn)
      const cli = (...given: ReadonlyArray<string>) =>
        run({ home: folder, variables: { OPENCLAW_GATEWAY_PORT: String(port) } }, ...given)
      const token: string = JSON.parse(readFileSync(join(folder, ".openclaw", "openclaw.json"), "utf8")).gateway.auth
        .token

      const variables = { OPENCLAW_GATEWAY_TOKEN: token, PATH: "/usr/bin:/bin" }
      const address = ["--host", "127.0.0.1", "--port", String(port)]
      const node = yield* start({ home: yield* home, variables }, "node", "run", ...address, "--display-name", "Bench")
      yield* node.until(says(/Node Bench \([0-9a-f]{12}\) connects to/))
      yield* node.until(says(/openclaw nodes approve/))

      const [request] = JSON.parse((yield* cli("nodes", "pending", "--json")).stdout)
      assert.strictEqual(request.displayName, "Bench")
      assert.match((yield* cli("nodes", "approve", request.requestId)).stdout, /Approved Bench.*system\.which/)
      yield* node.until(says(/approved this node's commands/))

      const bench = ["nodes", "invoke", "--node", "bench", "--command", "system.which"]
      const invoked = yield* cli(...bench, "--params", '{"bins":["sh"]}')
      assert.strictEqual(invoked.code, 0)
      assert.match(JSON.parse(invoked.stdout).payload.bins.sh, /\/sh$/)
      assert.match((yield* cli("nodes", "describe", "--node", "Bench")).stdout, /Connection: +connected/)

      const stopped = yield* node.stop
      assert.strictEqual(stopped.code, 0)
      assert.notInclude(JSON.stringify(stopped), token)
      assert.strictEqual((yield* gateway.stop).code, 0)
    }).pipe(Effect.scoped)
  )

  it.live("a wrong token ends it with the fix", () =>
    Effect.gen(function* () {
      const gateway = yield* start({ home: yield* home }, "gateway", "--port", "0", "--allow-unconfigured", "--json")
      const port = yield* gateway.until(portIn)
      const flags = ["--port", String(port), "--token", "a-wrong-token"]
      const ended = yield* run({ home: yield* home }, "node", "run", ...flags)
      assert.strictEqual(ended.code, 1)
      assert.match(ended.stderr, /refused|mismatch/)
      assert.notInclude(JSON.stringify(ended), "a-wrong-token")
    }).pipe(Effect.scoped)
  )

  it("shows the file's secret to no other machine", () => {
    const config = { gateway: { auth: { token: "file" }, remote: { token: "remote" } } }
    const env = { OPENCLAW_GATEWAY_TOKEN: "env", OPENCLAW_GATEWAY_URL: "wss://elsewhere.example.com" }
    const none = { token: undefined, password: undefined }
    const at = (host: string | undefined, sources: Partial<Parameters<typeof atAddress>[1]> = {}) =>
      Result.match(atAddress({ host, port: 19_001 }, { flags: none, env: {}, config, ...sources }), {
        onFailure: (error): unknown => error._tag,
        onSuccess: (to): unknown => [to.endpoint, to.credentials.map(reveal), to.storedTokens]
      })
    assert.deepStrictEqual(at(undefined), ["ws://127.0.0.1:19001", ["file"], true])
    assert.deepStrictEqual(at("localhost"), ["ws://localhost:19001", ["file"], true])
    assert.deepStrictEqual(at("::1"), ["ws://[::1]:19001", ["file"], true])
    assert.deepStrictEqual(at("192.168.1.7"), ["ws://192.168.1.7:19001", [], true])
    assert.deepStrictEqual(at("192.168.1.7", { env }), ["ws://192.168.1.7:19001", ["env"], true])
    assert.deepStrictEqual(at("192.168.1.7", { env, flags: { token: "flag", password: undefined } }), [
      "ws://192.168.1.7:19001",
      ["flag"],
      true
    ])
    assert.strictEqual(at("203.0.113.9"), "InsecureEndpoint")
    assert.strictEqual(at("a b"), "InvalidEndpoint")
  })
})
