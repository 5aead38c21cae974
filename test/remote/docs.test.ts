/** The table of secrets that users read is the one that counts. */
import { readFileSync } from "node:fs"
import { assert, describe, it } from "@effect/vitest"
import * as Result from "effect/Result"
import { type Place, secretsFor } from "../../src/client/precedence.ts"
import { reveal } from "../../src/domain/Credential.ts"

const ROWS: Readonly<Record<string, Place>> = {
  "named by `--url`": "flag",
  "named by `OPENCLAW_GATEWAY_URL`": "environment",
  "`gateway.remote`": "remote",
  "`gateway.remote`, for a node": "remote-node",
  "this machine's": "local",
  "this machine's, for a node": "node"
}
const SOURCES = ["environment", "`gateway.remote`", "`gateway.auth`"] as const

const page = readFileSync(new URL("../../docs/remote.md", import.meta.url), "utf8")
const cells = (line: string) =>
  line
    .split("|")
    .slice(1, -1)
    .map((cell) => cell.trim())

/** What is shown of one kind where only some sources have it. */
const shown = (place: Place, kind: "token" | "password", given: ReadonlyArray<string>) => {
  const of = (source: string) => (given.includes(source) ? { [kind]: source } : {})
  const variable = kind === "token" ? "OPENCLAW_GATEWAY_TOKEN" : "OPENCLAW_GATEWAY_PASSWORD"
  const found = secretsFor(place, {
    flags: {},
    env: given.includes("environment") ? { [variable]: "environment" } : {},
    config: { gateway: { auth: of("`gateway.auth`"), remote: of("`gateway.remote`") } }
  })
  return Result.getOrThrow(found).map(reveal)[0]
}

describe("docs/remote.md", () => {
  for (const [name, place] of Object.entries(ROWS))
    it(`says which secret a Gateway is shown that is ${name}`, () => {
      const row = page
        .split("\n")
        .map(cells)
        .find(([first]) => first === name)
      assert(row !== undefined, "there is no such row")
      for (const [index, kind] of (["token", "password"] as const).entries()) {
        const order = (row[index + 1] ?? "").split(", ").filter((source) => SOURCES.includes(source as never))
        // One source less each time: the next one in the order is shown, and at last none.
        for (let first = 0; first <= order.length; first++) {
          const given = SOURCES.filter((source) => !order.slice(0, first).includes(source))
          assert.strictEqual(shown(place, kind, given), order[first], `${kind} with ${given.join()}`)
        }
      }
    })

  it("names only errors that there are", async () => {
    const sources = await import("../../src/client/errors.ts")
    const tunnels = await import("../../src/services/TunnelManager.ts")
    const config = await import("../../src/services/Config.ts")
    const known = { ...sources, ...tunnels, ...config }
    const table = page.slice(page.indexOf("## When it does not work"))
    const names = [...table.matchAll(/^\| `(\w+)`(?:, `(\w+)`)?/gm)].flatMap(([, one, two]) => [one, two])
    assert.isAbove(names.length, 10)
    for (const name of names) if (name !== undefined) assert.property(known, name)
  })
})
