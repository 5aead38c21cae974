/** Onboarding that leaves a service behind, with a real systemd. */
import { readdirSync, readFileSync, statSync } from "node:fs"
import { join } from "node:path"
import { assert, describe, it } from "@effect/vitest"
import * as Effect from "effect/Effect"
import { start } from "../cli/kit.ts"
import { lacking, userManager } from "../service/userManager.ts"
import { freePort, stored } from "./kit.ts"

const KEY = "sk-a-key-that-nobody-sees"
const reason = lacking === undefined ? "" : ` (skipped: ${lacking})`

describe.skipIf(lacking !== undefined)(`onboard --install-daemon${reason}`, () => {
  it.live(
    "has the Gateway run by itself, with the key of this shell; a second run finds it, and one in its way is named",
    () =>
      Effect.gen(function* () {
        const { home, openclaw, systemctl, variables } = yield* userManager
        const folder = join(home, ".openclaw")
        const port = yield* freePort
        const given = ["onboard", "--non-interactive", "--json"]
        const model = ["--model", "openai/m", "--skip-checks", `--gateway-port=${port}`]
        const first = yield* openclaw({ OPENAI_API_KEY: KEY }, ...given, ...model, "--install-daemon")
        assert.strictEqual(first.code, 0, first.stdout + first.stderr)
        const report = JSON.parse(first.stdout)
        assert.deepInclude(report, { needsRestart: false, service: { installed: true } })
        assert.strictEqual(report.health.ok, true)
        assert.include((yield* systemctl("is-active", "openclaw-gateway")).stdout, "active")
        assert.notInclude(readFileSync(join(folder, "openclaw.json"), "utf8"), KEY)
        assert.include(readFileSync(join(folder, "gateway-service.env"), "utf8"), KEY)
        for (const name of readdirSync(folder)) assert.strictEqual(statSync(join(folder, name)).mode & 0o077, 0, name)
        assert.notInclude(first.stdout + first.stderr, KEY)

        const again = yield* openclaw({}, ...given, "--auth-choice=offline", "--install-daemon")
        assert.strictEqual(again.code, 0, again.stdout + again.stderr)
        assert.deepStrictEqual(JSON.parse(again.stdout).changedPaths, ["agents.defaults.model"])
        const other = yield* openclaw({}, ...given, `--gateway-port=${yield* freePort}`)
        assert.strictEqual(JSON.parse(other.stdout).needsRestart, true)

        yield* openclaw({}, "gateway", "uninstall")
        const gateway = yield* start({ home, variables }, "gateway", "run")
        yield* gateway.until(({ stdout }) => (stdout.includes("listens on") ? true : undefined))
        const busy = yield* openclaw({}, ...given, "--install-daemon", "--auth-choice=skip")
        assert.strictEqual(busy.code, 1, busy.stdout)
        assert.match(JSON.parse(busy.stdout).error.message, /is not the service's[^]*gateway stop/)
        assert.include(busy.stderr, "What was chosen is stored in")
        assert.isDefined(stored({ home }))
        yield* gateway.stop
      }).pipe(Effect.scoped),
    60_000
  )
})
