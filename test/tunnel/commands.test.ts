/** `openclaw tunnel` in this process, where no host is reached. */
import * as Fs from "node:fs"
import * as path from "node:path"
import { assert, describe, it } from "@effect/vitest"
import * as Effect from "effect/Effect"
import * as Schema from "effect/Schema"
import { portOf } from "../../src/domain/Profile.ts"
import * as Cli from "../cli/kit.ts"

const decodeStatus = Schema.decodeUnknownSync(
  Schema.fromJsonString(Schema.Struct({ tunnels: Schema.Array(Schema.Struct({ localPort: Schema.Int })) }))
)

describe("openclaw tunnel", () => {
  it.live("is one line on a terminal, which is gone when it ends", () =>
    Effect.gen(function* () {
      const home = yield* Cli.home
      const shown: Array<string> = []
      const up = yield* Cli.start({ home, terminal: (text) => shown.push(text) }, "tunnel", "up", "me@127.0.0.1:1")
      const says = Effect.sync(() => shown.some((text) => text.includes("me@127.0.0.1:1: waiting: No way to")))
      yield* Effect.repeat(Effect.delay(says, "20 millis"), { until: (found) => found })
      const ended = yield* up.stop
      assert.deepStrictEqual([ended.code, ended.stdout, ended.stderr], [0, "", ""])
      assert.strictEqual(shown.at(-1), "\r\u001b[2K")
      assert.isTrue(shown.every((text) => text.length <= 79 + 5))
      const logs = yield* Cli.run({ home }, "tunnel", "logs", "--lines", "1", "--json")
      const line = JSON.parse(logs.stdout)
      assert.strictEqual(line.target, "me@127.0.0.1:1")
      assert.match(line.message, /^let go by openclaw tunnel up/)
    })
  )

  it.live("ends at a port of the profile's own", () =>
    Effect.gen(function* () {
      const home = yield* Cli.home
      const up = yield* Cli.start({ home }, "tunnel", "up", "me@127.0.0.1:1", "--profile", "work")
      const status = Effect.map(Cli.run({ home }, "tunnel", "status", "--json", "--profile", "work"), ({ stdout }) =>
        decodeStatus(stdout)
      )
      const { tunnels } = yield* Effect.repeat(status, { until: ({ tunnels: some }) => some.length > 0 })
      yield* up.stop
      assert.deepInclude(tunnels[0], { localPort: portOf("work") })
    })
  )

  it.live("needs a target, and forgets by name who answered there", () =>
    Effect.gen(function* () {
      const home = yield* Cli.home
      const up = yield* Cli.run({ home }, "tunnel", "up")
      assert.strictEqual(up.code, 1)
      assert.match(up.stderr, /there is no SSH target\.\nFix: /)
      const known = path.join(home, ".openclaw", "tunnels", "known-gateways.json")
      const row = { target: "box", remotePort: 5, deviceId: "a", proves: true }
      const rows = [row, { ...row, remotePort: 6 }, { ...row, target: "other" }]
      Fs.mkdirSync(path.dirname(known), { recursive: true, mode: 0o700 })
      Fs.writeFileSync(known, JSON.stringify({ version: 1, gateways: rows }), { mode: 0o600 })
      const forget = yield* Cli.run({ home }, "tunnel", "forget", "box", "--json")
      assert.deepStrictEqual([forget.code, JSON.parse(forget.stdout)], [0, { ok: true, target: "box", forgotten: 2 }])
      assert.deepStrictEqual(JSON.parse(Fs.readFileSync(known, "utf8")).gateways, [rows[2]])
      const none = yield* Cli.run({ home }, "tunnel", "forget", "box")
      assert.deepStrictEqual([none.code, none.stdout], [0, "No Gateway behind box was known."])
    })
  )
})
