import * as Fs from "node:fs"
import * as path from "node:path"
import * as NodeServices from "@effect/platform-node/NodeServices"
import { assert, describe, it } from "@effect/vitest"
import * as Effect from "effect/Effect"
import * as FileSystem from "effect/FileSystem"
import * as Result from "effect/Result"
import { make as makeSpawner } from "effect/process/ChildProcessSpawner"
import * as Forward from "../../src/client/tunnel/forward.ts"
import { check } from "../../src/client/tunnel/identityFile.ts"
import { isTerminal } from "../../src/services/TunnelManager.ts"
import { spec } from "./stage.ts"

/** A folder with a key of this user's. */
const folder = Effect.gen(function* () {
  const fs = yield* FileSystem.FileSystem
  const dir = yield* fs.makeTempDirectoryScoped()
  const at = (name: string) => path.join(dir, name)
  Fs.writeFileSync(at("key"), "a key", { mode: 0o600 })
  return { at, fs, judged: (file: string) => Effect.result(check(fs, file)) }
})

describe("a key that is named", () => {
  it.effect("may be a file of this user's alone, a link to one, or a public key", () =>
    Effect.gen(function* () {
      const { at, judged } = yield* folder
      Fs.symlinkSync("key", at("link"))
      Fs.writeFileSync(at("key.pub"), "its other half", { mode: 0o644 })
      for (const name of ["key", "link", "key.pub"]) assert.isTrue(Result.isSuccess(yield* judged(at(name))), name)
    }).pipe(Effect.provide(NodeServices.layer))
  )

  it.effect("is refused where ssh would read it otherwise or not use it", () =>
    Effect.gen(function* () {
      const { at, judged } = yield* folder
      Fs.mkdirSync(at("folder"))
      Fs.symlinkSync("nowhere", at("dangling"))
      for (const [name, mode] of [
        ["group", 0o640],
        ["others", 0o604]
      ] as const) {
        Fs.writeFileSync(at(name), "a key")
        Fs.chmodSync(at(name), mode)
      }
      Fs.symlinkSync("group", at("link"))
      const cases = [
        ["-oProxyCommand=id", "relative"],
        ["key", "relative"],
        ["", "relative"],
        ["~/.ssh/key", "relative"],
        [at("%d"), "expanded"],
        [at("${HOME}"), "expanded"],
        [`${at("key")}\n`, "expanded"],
        [at("nothing"), "missing"],
        [at("dangling"), "missing"],
        [at("folder"), "no-file"],
        ["/dev/null", "no-file"],
        [at("group"), "open"],
        [at("others"), "open"],
        [at("link"), "open"]
      ] as const
      for (const [file, problem] of cases) {
        const result = yield* judged(file)
        assert(Result.isFailure(result), file)
        assert.strictEqual(result.failure.problem, problem, file)
        assert.isTrue(isTerminal(result.failure))
        assert.match(result.failure.message, /^[^\n]+\nFix: /)
      }
    }).pipe(Effect.provide(NodeServices.layer))
  )

  it.effect("is judged before ssh is started", () =>
    Effect.gen(function* () {
      const { at, fs } = yield* folder
      let started = 0
      const spawner = makeSpawner(() => Effect.die(`started ${++started}`))
      const open = Forward.make({ spawner, fs })
      const error = yield* Effect.flip(open({ ...spec, identityFile: at("nothing") }, 4))
      assert.strictEqual(error._tag, "SshIdentityUnusable")
      assert.strictEqual(started, 0)
    }).pipe(Effect.provide(NodeServices.layer))
  )
})
