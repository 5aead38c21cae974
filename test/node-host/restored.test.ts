/** A journal that somebody puts back as it was earlier: what it lacks proves nothing. */
import * as NodeServices from "@effect/platform-node/NodeServices"
import { assert, describe, it } from "@effect/vitest"
import * as Effect from "effect/Effect"
import * as FileSystem from "effect/FileSystem"
import * as TestClock from "effect/testing/TestClock"
import { FILE } from "../../src/node-host/InvokeMemory.ts"
import { counted, folder, start } from "./memoryKit.ts"

/** A folder whose journal knows of "first", and what it holds then. */
const used = Effect.gen(function* () {
  yield* TestClock.setTime(1_800_000_000_000)
  const fs = yield* FileSystem.FileSystem
  const root = yield* folder
  const run = (keys: ReadonlyArray<string>) =>
    Effect.gen(function* () {
      const { end, memory } = yield* start(root)
      yield* TestClock.adjust("1 minute")
      for (const key of keys) yield* memory.once(key, "d", counted().answer(`"${key}"`))
      yield* end
    })
  const read = (name: string) => fs.readFile(`${root}/${name}`)
  yield* run(["first"])
  return { fs, root, run, journal: yield* read(FILE), mark: yield* read(`${FILE}-mark`) }
})

/** Whether a request that was made half a minute ago is done now. */
const isDone = Effect.fnUntraced(function* (root: string, key: string) {
  const { end, memory } = yield* start(root)
  const answer = yield* memory.resume(key, "d", 30_000, counted().answer('"again"'))
  yield* end
  return answer !== undefined && answer.ok && answer.payloadJSON === '"again"'
})

describe("a journal that is put back", () => {
  it.effect("vouches for nothing from before it was when requests are missing in it", () =>
    Effect.gen(function* () {
      const { fs, journal, root, run } = yield* used
      yield* run(["second"])
      yield* fs.writeFile(`${root}/${FILE}`, journal)
      assert.isFalse(yield* isDone(root, "second"))
      // From then on it is what it says again.
      yield* TestClock.adjust("1 minute")
      assert.isTrue(yield* isDone(root, "third"))
    }).pipe(Effect.scoped, Effect.provide(NodeServices.layer))
  )

  it.effect.each([
    ["is gone", (fs: FileSystem.FileSystem, file: string) => fs.remove(file)],
    ["is damaged", (fs: FileSystem.FileSystem, file: string) => fs.writeFileString(file, "no mark")],
    ["is another journal's", (fs: FileSystem.FileSystem, file: string) => otherMark(fs, file)]
  ] as const)("vouches for nothing when its mark %s", ([, harm]) =>
    Effect.gen(function* () {
      const { fs, root } = yield* used
      yield* harm(fs, `${root}/${FILE}-mark`)
      assert.isFalse(yield* isDone(root, "second"))
    }).pipe(Effect.scoped, Effect.provide(NodeServices.layer))
  )

  it.effect("vouches as before when nothing is missing, or its mark stayed behind in a crash", () =>
    Effect.gen(function* () {
      const { fs, journal, mark, root, run } = yield* used
      yield* fs.writeFile(`${root}/${FILE}`, journal)
      assert.isTrue(yield* isDone(root, "other"))
      yield* run(["second"])
      yield* fs.writeFile(`${root}/${FILE}-mark`, mark)
      assert.isFalse(yield* isDone(root, "second"))
      assert.isTrue(yield* isDone(root, "third"))
    }).pipe(Effect.scoped, Effect.provide(NodeServices.layer))
  )
})

const otherMark = (fs: FileSystem.FileSystem, file: string) =>
  Effect.flatMap(fs.readFileString(file), (text) => fs.writeFileString(file, `${"0".repeat(36)}${text.slice(36)}`))
