import { mkdirSync, writeFileSync } from "node:fs"
import * as NodeServices from "@effect/platform-node/NodeServices"
import { it } from "@effect/vitest"
import * as Effect from "effect/Effect"
import * as FileSystem from "effect/FileSystem"
import * as Layer from "effect/Layer"
import * as Logger from "effect/Logger"
import type * as Scope from "effect/Scope"
import type { ConfigOptions } from "../../src/layers/config/Config.ts"
import * as ConfigLive from "../../src/layers/config/Config.ts"
import { Redactor } from "../../src/layers/logging/Redactor.ts"
import { Config, ConfigInvalid } from "../../src/services/Config.ts"

/** What was logged in the running test. */
export const logged: Array<string> = []
const capture = Logger.layer([Logger.make((options) => void logged.push(String(options.message)))])

/** A test in a directory of its own; `file` does not exist yet. */
export const live = <A, E>(
  name: string,
  body: (file: string) => Effect.Effect<A, E, NodeServices.NodeServices | Redactor | Scope.Scope>
) =>
  it.live(name, () => {
    logged.length = 0
    return Effect.gen(function* () {
      const fs = yield* FileSystem.FileSystem
      const folder = `${yield* fs.makeTempDirectoryScoped()}/state`
      mkdirSync(folder, { mode: 0o700 })
      return yield* body(`${folder}/openclaw.json`)
    }).pipe(Effect.scoped, Effect.provide(Layer.mergeAll(NodeServices.layer, Redactor.layer, capture)))
  })

/** Writes a private file: text as it is, anything else as JSON. */
export const given = (file: string, content: unknown) => {
  writeFileSync(file, typeof content === "string" ? content : JSON.stringify(content), { mode: 0o600 })
}

export const using = <A, E, R>(options: ConfigOptions, use: (config: Config["Service"]) => Effect.Effect<A, E, R>) =>
  Effect.provide(Effect.flatMap(Config, use), ConfigLive.layer(options))

/** The problems of a configuration that must be invalid. */
export const problemsOf = <A, R>(effect: Effect.Effect<A, unknown, R>) =>
  Effect.flatMap(Effect.flip(effect), (error) =>
    error instanceof ConfigInvalid ? Effect.succeed(error.problems) : Effect.die(error)
  )
