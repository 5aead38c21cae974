import { renameSync, symlinkSync, unlinkSync, utimesSync, writeFileSync } from "node:fs"

import { assert, describe } from "@effect/vitest"
import * as Clock from "effect/Clock"
import * as Effect from "effect/Effect"
import * as FileSystem from "effect/FileSystem"
import * as Layer from "effect/Layer"

import * as ConfigLive from "../../src/layers/config/Config.ts"
import { Config } from "../../src/services/Config.ts"
import { given, live } from "./support.ts"

/** Unix seconds. */
const LONG_AGO = 1_700_000_000

/** Writes a file that nobody has touched for a long time. */
const givenLongAgo = (file: string, content: unknown) => {
  given(file, content)
  utimesSync(file, LONG_AGO, LONG_AGO)
}

/** The configuration, with the files that were read so far. */
const counting = <A, E, R>(
  file: string,
  use: (config: Config["Service"], reads: ReadonlyArray<string>) => Effect.Effect<A, E, R>
) =>
  Effect.gen(function* () {
    const fs = yield* FileSystem.FileSystem
    const reads: Array<string> = []
    const watched = Layer.succeed(FileSystem.FileSystem, {
      ...fs,
      readFileString: (path, encoding) => {
        reads.push(path)
        return fs.readFileString(path, encoding)
      }
    })
    return yield* Effect.flatMap(Config, (config) => use(config, reads)).pipe(
      Effect.provide(ConfigLive.layer({ file }).pipe(Layer.provide(watched)))
    )
  })

const port = (config: Config["Service"]) => Effect.map(config.get, ({ gateway }) => gateway?.port)

describe("Config: a file that did not change", () => {
  live("is read once, and again as soon as it looks different", (file) => {
    givenLongAgo(file, { gateway: { port: 1111 } })
    return counting(file, (config, reads) =>
      Effect.gen(function* () {
        const first = yield* config.get
        assert.strictEqual(yield* config.get, first)
        assert.strictEqual(reads.length, 1)
        // The same size, and a time of its own.
        writeFileSync(file, JSON.stringify({ gateway: { port: 2222 } }))
        assert.strictEqual(yield* port(config), 2222)
        assert.strictEqual(reads.length, 2)
      })
    )
  })

  live("is not believed to be the same while its time is young: it may change again under that time", (file) => {
    return counting(file, (config) =>
      Effect.gen(function* () {
        const now = Math.floor((yield* Clock.currentTimeMillis) / 1000)
        const write = (value: number) => {
          given(file, { gateway: { port: value } })
          utimesSync(file, now, now)
        }
        write(1111)
        assert.strictEqual(yield* port(config), 1111)
        write(2222)
        assert.strictEqual(yield* port(config), 2222)
      })
    )
  })

  live("that was replaced by another of the same size and time is another", (file) => {
    givenLongAgo(file, { gateway: { port: 1111 } })
    givenLongAgo(`${file}.new`, { gateway: { port: 2222 } })
    return counting(file, (config) =>
      Effect.gen(function* () {
        assert.strictEqual(yield* port(config), 1111)
        renameSync(`${file}.new`, file)
        assert.strictEqual(yield* port(config), 2222)
        unlinkSync(file)
        assert.isUndefined((yield* config.inspect).text)
      })
    )
  })

  live("does not hide that what it includes changed", (file) => {
    const part = file.replace("openclaw.json", "part.json")
    givenLongAgo(part, { port: 1111 })
    givenLongAgo(`${part}.2`, { port: 2222 })
    givenLongAgo(file, { gateway: { $include: "part.json" } })
    return counting(file, (config) =>
      Effect.gen(function* () {
        assert.strictEqual(yield* port(config), 1111)
        unlinkSync(part)
        symlinkSync(`${part}.2`, part)
        assert.strictEqual(yield* port(config), 2222)
        given(part, { port: 3333 })
        assert.strictEqual(yield* port(config), 3333)
      })
    )
  })
})
