/**
 * What keeps the package from going where its name is somebody else's, and what keeps unread licences out of it.
 */
import * as Fs from "node:fs"
import * as Path from "node:path"
import { assert, describe, it } from "@effect/vitest"
import * as Effect from "effect/Effect"
import * as Command from "../interop/Command.ts"
import { ROOT, temporary } from "./project.ts"

const publishTo = (registry?: string) =>
  Command.run({
    program: process.execPath,
    args: [Path.join(ROOT, "tools", "mayPublish.mjs")],
    env: registry === undefined ? {} : { npm_config_registry: registry }
  })

const notices = Effect.fnUntraced(function* (license: string, text: string | undefined) {
  const out = yield* temporary("notices")
  const folder = Path.join(out, "node_modules", "lamp")
  Fs.mkdirSync(folder, { recursive: true })
  Fs.mkdirSync(Path.join(out, "dist"))
  Fs.writeFileSync(
    Path.join(folder, "package.json"),
    JSON.stringify({ name: "lamp", version: "1.2.3", license, author: "Ada <ada@example.com>" })
  )
  if (text !== undefined) Fs.writeFileSync(Path.join(folder, "LICENSE"), text)
  const script = `import { writeNotices } from ${JSON.stringify(Path.join(ROOT, "tools", "build", "notices.mjs"))}
writeNotices([${JSON.stringify(Path.join(folder, "index.js"))}, "/elsewhere/src/ours.ts"], ${JSON.stringify(out)})`
  const { code, stderr } = yield* Command.run({
    program: process.execPath,
    args: ["--input-type=module", "--eval", script],
    env: {}
  })
  const file = Path.join(out, "dist", "THIRD-PARTY-NOTICES.txt")
  return { code, stderr, written: Fs.existsSync(file) ? Fs.readFileSync(file, "utf8") : "" }
})

describe("npm publish", () => {
  it.effect("is refused for npm's public registry, also where none is named", () =>
    Effect.gen(function* () {
      for (const registry of [undefined, "https://registry.npmjs.org/"]) {
        const { code, stderr } = yield* publishTo(registry)
        assert.strictEqual(code, 1)
        assert.include(stderr, "belongs to the OpenClaw project")
        assert.include(stderr, "Fix: ")
      }
    })
  )

  it.effect("may go to a registry of one's own", () =>
    Effect.gen(function* () {
      assert.strictEqual((yield* publishTo("https://npm.example.com/")).code, 0)
    })
  )
})

describe("the notices", () => {
  it.effect("have the licence of what is bundled", () =>
    Effect.gen(function* () {
      const { code, written } = yield* notices("ISC", "The words of the licence.")
      assert.strictEqual(code, 0)
      assert.include(written, "lamp 1.2.3 (ISC)\n\nThe words of the licence.")
    })
  )

  it.effect("write an MIT licence out whose text the package does not bring", () =>
    Effect.gen(function* () {
      const { written } = yield* notices("MIT", undefined)
      assert.include(written, "Copyright (c) Ada")
      assert.include(written, "Permission is hereby granted")
    })
  )

  it.effect("end the build for a licence that nobody has looked at, and for one without words", () =>
    Effect.gen(function* () {
      const strange = yield* notices("GPL-3.0", "The words.")
      assert.notStrictEqual(strange.code, 0)
      assert.include(strange.stderr, "lamp is bundled under the licence GPL-3.0")
      const silent = yield* notices("Apache-2.0", undefined)
      assert.notStrictEqual(silent.code, 0)
      assert.include(silent.stderr, "brings no text of its licence")
    })
  )
})
