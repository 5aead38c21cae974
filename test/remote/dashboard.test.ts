/** `openclaw dashboard`: where the page is, beside the Gateway and behind ssh, and that no secret is in what it prints. */
import * as Fs from "node:fs"
import * as Path from "node:path"
import { assert, describe, it } from "@effect/vitest"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import * as GatewayTest from "../../src/testing/GatewayTest.ts"
import * as Cli from "../cli/kit.ts"
import { http, page } from "../http/kit.ts"
import { hasSshd, laptop } from "./kit.ts"

const paged = Layer.unwrap(
  Effect.map(page, ({ root }) => GatewayTest.layer({ config: { gateway: { controlUi: { root, basePath: "/ui" } } } }))
)

/** The machine of the Gateway itself. */
const beside = Effect.fnUntraced(function* (variables: Record<string, string> = {}) {
  const gateway = yield* GatewayTest.GatewayTest
  const home = yield* Cli.home
  const folder = Path.join(home, ".openclaw")
  Fs.mkdirSync(folder, { mode: 0o700 })
  const { port, token } = gateway
  const file = { gateway: { port, auth: { mode: "token", token } } }
  Fs.writeFileSync(Path.join(folder, "openclaw.json"), JSON.stringify(file), { mode: 0o600 })
  const run = (...given: ReadonlyArray<string>) => Cli.run({ home, variables }, "dashboard", ...given)
  return { gateway, home, run }
})

describe("openclaw dashboard", () => {
  it.live("names the page, which is there, and no secret", () =>
    Effect.gen(function* () {
      const { gateway, run } = yield* beside()
      const url = `http://127.0.0.1:${gateway.port}/ui/`
      const shown = yield* run("--no-open")
      assert.strictEqual(shown.code, 0)
      assert.match(shown.stdout, new RegExp(`^Dashboard: +${url}\n`))
      const told = yield* run("--json")
      const wsUrl = `ws://127.0.0.1:${gateway.port}`
      const expected = { ok: true, url, httpUrl: url, wsUrl, port: gateway.port, tokenIncluded: false }
      assert.deepStrictEqual(JSON.parse(told.stdout), expected)
      assert.notInclude(JSON.stringify([shown, told]), gateway.token)
      assert.include((yield* http(gateway.port, "/ui/")).text, "<title>page</title>")
    }).pipe(Effect.provide(paged))
  )

  it.live("opens the browser that is there with that address, and says where there is none", () =>
    Effect.gen(function* () {
      const bin = yield* Cli.home
      const { gateway, run } = yield* beside({ DISPLAY: ":1", PATH: bin })
      assert.include((yield* run()).stdout, "No browser could be started here")
      const seen = Path.join(bin, "seen")
      const script = `#!/bin/sh\nprintf '%s\\n' "$@" >'${seen}'\n`
      for (const name of ["xdg-open", "open"]) Fs.writeFileSync(Path.join(bin, name), script, { mode: 0o700 })
      const ended = yield* run()
      assert.strictEqual(ended.code, 0)
      assert.notInclude(ended.stdout, "No browser")
      const read = () => (Fs.existsSync(seen) ? Fs.readFileSync(seen, "utf8") : "")
      while (!read().endsWith("\n")) yield* Effect.sleep(5)
      assert.strictEqual(read(), `http://127.0.0.1:${gateway.port}/ui/\n`)
    }).pipe(Effect.provide(paged))
  )

  it.live("says what is missing where no page is served, and where no Gateway is", () =>
    Effect.gen(function* () {
      const { run } = yield* beside()
      const bare = yield* run("--no-open")
      assert.deepStrictEqual([bare.code, bare.stdout], [1, ""])
      assert.match(bare.stderr, /serves no page[\s\S]*Fix: .*gateway\.controlUi\.root/)
      const setting = { home: yield* Cli.home, variables: { OPENCLAW_GATEWAY_PORT: "1" } }
      const gone = yield* Cli.run(setting, "dashboard", "--json")
      assert.strictEqual(gone.code, 1)
      assert.strictEqual(JSON.parse(gone.stdout).error.name, "GatewayUnreachable")
    }).pipe(Effect.provide(GatewayTest.layer()))
  )

  it.live.skipIf(!hasSshd)("behind ssh it wants a tunnel that stays, and names its near end", () =>
    Effect.gen(function* () {
      const { gateway, near, run, setting, started } = yield* laptop()
      const cold = yield* run("dashboard", "--no-open")
      assert.deepStrictEqual([cold.code, cold.stdout], [1, ""])
      assert.match(cold.stderr, /no tunnel to box is kept[\s\S]*Fix: `openclaw tunnel up --background`/)
      assert.deepStrictEqual(started(), [])
      const keeper = yield* Cli.start(setting, "tunnel", "up", "--json")
      yield* keeper.until(({ stdout }) => (stdout.includes('"state":"up"') ? true : undefined))
      const told = JSON.parse((yield* run("dashboard", "--json")).stdout)
      const url = `http://127.0.0.1:${near}/ui/`
      assert.deepInclude(told, { url, wsUrl: `ws://127.0.0.1:${near}`, port: near, tokenIncluded: false })
      assert.strictEqual(told.tunnel.target, "box")
      assert.include((yield* http(near, "/ui/")).text, "<title>page</title>")
      assert.notInclude(JSON.stringify(told), gateway.token)
      assert.strictEqual(started().length, 1)
      yield* keeper.stop
    }).pipe(Effect.provide(paged))
  )
})
