/** Before a Gateway restarts it is found out whether its certificate can be had. */
import { mkdirSync, writeFileSync } from "node:fs"
import { join } from "node:path"
import { assert, describe, it } from "@effect/vitest"
import * as Effect from "effect/Effect"
import { checkRestart } from "../../src/layers/Gateway.ts"
import { reloadKindOf } from "../../src/layers/config/reload.ts"
import { home } from "../cli/kit.ts"
import { certificate } from "./kit.ts"

const own = await certificate(Date.UTC(2026, 0, 1))
const other = await certificate(Date.UTC(2026, 0, 1))

describe("checkRestart with gateway.tls", () => {
  it.live("RestartRefused: a pair that is not whole; none at all is made", () =>
    Effect.gen(function* () {
      const folder = yield* home
      const at = (name: string) => join(folder, name)
      const running = { host: "127.0.0.1", port: 1 }
      const check = (tls: Record<string, unknown>) => {
        const gateway = { mode: "local", port: 1, auth: { mode: "token", token: "a-canary" }, tls }
        writeFileSync(at("openclaw.json"), JSON.stringify({ gateway }), { mode: 0o600 })
        return checkRestart({ stateDir: folder }, running)
      }
      const refusal = (tls: Record<string, unknown>) => Effect.map(Effect.flip(check(tls)), ({ message }) => message)
      const pair = { enabled: true, certPath: at("cert.pem"), keyPath: at("key.pem") }

      yield* check(pair)
      assert.match(
        yield* refusal({ ...pair, autoGenerate: false }),
        /cert\.pem cannot be used: the certificate is not there/
      )
      writeFileSync(pair.certPath, own.cert)
      assert.match(yield* refusal(pair), /key\.pem cannot be used: the key is not there/)
      writeFileSync(pair.keyPath, other.key)
      assert.match(yield* refusal(pair), /not the key of the certificate/)
      writeFileSync(pair.keyPath, own.key)
      yield* check(pair)
      yield* check({ ...pair, enabled: false })
      assert.match(yield* refusal({ enabled: true, certPath: pair.certPath }), /gateway\.tls\.keyPath/)

      mkdirSync(at("gateway/tls"), { recursive: true })
      writeFileSync(at("gateway/tls/gateway-cert.pem"), "none")
      assert.match(yield* refusal({ enabled: true }), /gateway-key\.pem cannot be used/)
    }).pipe(Effect.scoped)
  )

  it("a change of gateway.tls waits for a restart, one of discovery holds at once", () => {
    for (const path of ["gateway.tls", "gateway.tls.enabled", "gateway.tls.certPath"]) {
      assert.strictEqual(reloadKindOf(path), "restart", path)
    }
    assert.strictEqual(reloadKindOf("discovery.mdns.mode"), "none")
  })
})
