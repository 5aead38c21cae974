/**
 * What a command loads, as a ratchet: what start-up time and memory rest on, checked without a clock.
 */
import { spawn } from "node:child_process"
import { once } from "node:events"
import { readFileSync } from "node:fs"
import { join } from "node:path"
import { fileURLToPath } from "node:url"
import { assert, describe, it } from "@effect/vitest"
import * as Effect from "effect/Effect"
import { home } from "./kit.ts"

const main = fileURLToPath(new URL("../../src/main.ts", import.meta.url))

/** Runs the binary from its sources; one that stays is stopped as soon as it prints. Gives what it loaded. */
const loadedBy = Effect.fnUntraced(function* (given: ReadonlyArray<string>) {
  const folder = yield* home
  const record = join(folder, "modules")
  const recorder = new URL("recordModules.ts", import.meta.url)
  recorder.searchParams.set("into", record)
  const child = yield* Effect.acquireRelease(
    Effect.sync(() =>
      spawn(process.execPath, ["--import", recorder.href, main, ...given], {
        env: { HOME: folder },
        stdio: ["ignore", "pipe", "ignore"]
      })
    ),
    (child) => Effect.sync(() => child.kill("SIGKILL"))
  )
  child.stdout.once("data", () => child.kill("SIGTERM"))
  yield* Effect.promise(() => once(child, "exit"))
  return readFileSync(record, "utf8").split("\n")
}, Effect.scoped)

const models = /node_modules\/(@ai-sdk|ai|zod)\//
const sockets = /node_modules\/ws\//
const engine = /effect\/[a-z]+\/(cluster|workflow|ai|rpc|sql)\//
const gateway = /src\/layers\/(?!logging\/)|src\/(node-host|testing)\//

const cases: ReadonlyArray<readonly [given: ReadonlyArray<string>, never: ReadonlyArray<RegExp>]> = [
  [["--version"], [models, sockets, engine, gateway, /src\/client\//]],
  [["--help"], [models, sockets, engine, gateway, /src\/client\//]],
  [
    ["gateway", "--help"],
    [models, sockets, engine, gateway, /src\/client\//]
  ],
  [
    ["config", "file"],
    [models, sockets, engine, /src\/client\//]
  ],
  [
    ["gateway", "status", "--no-probe"],
    [models, /effect\/[a-z]+\/(cluster|workflow|ai|sql)\//, /src\/layers\/Gateway/]
  ],
  // A provider's package is loaded by the first turn that needs it.
  [
    ["gateway", "run", "--port", "0", "--allow-unconfigured"],
    [models, /src\/(node-host|testing)\//]
  ]
]

describe("the modules that a command loads", () => {
  for (const [given, never] of cases) {
    it.live(`openclaw ${given.join(" ")}`, () =>
      Effect.gen(function* () {
        const loaded = yield* loadedBy(given)
        assert.isTrue(loaded.some((url) => url.endsWith("/src/cli/program.ts")))
        for (const pattern of never) {
          assert.deepStrictEqual(
            loaded.filter((url) => pattern.test(url)),
            [],
            `${pattern} belongs to other commands`
          )
        }
      })
    )
  }

  it.live("a running Gateway has what the others must not have: the patterns above still name it", () =>
    Effect.gen(function* () {
      const loaded = yield* loadedBy(["gateway", "run", "--port", "0", "--allow-unconfigured"])
      for (const pattern of [sockets, engine, gateway]) assert.isTrue(loaded.some((url) => pattern.test(url)))
    })
  )
})
