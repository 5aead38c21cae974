/**
 * The configuration as a finding: what a status report says of it, valid or not.
 */
import * as Effect from "effect/Effect"
import * as FileSystem from "effect/FileSystem"
import * as Result from "effect/Result"
import { Config } from "../services/Config.ts"
import { type OpenClawConfig, primaryModel } from "../services/ConfigSchema.ts"
import { describe } from "./errors.ts"
import * as State from "./state.ts"

export interface Configuration {
  readonly path: string
  readonly exists: boolean
  readonly valid: boolean
  /** Why it is not valid. */
  readonly problem?: string
  /** Empty when the file is missing or wrong. */
  readonly config: OpenClawConfig
}

export const configuration = Effect.gen(function* () {
  const fs = yield* FileSystem.FileSystem
  const config = yield* Config
  const exists = yield* Effect.orElseSucceed(fs.exists(config.file), () => false)
  const path = config.file
  return Result.match(yield* Effect.result(config.get), {
    onSuccess: (found): Configuration => ({ path, exists, valid: true, config: found }),
    onFailure: (error): Configuration => ({ path, exists, valid: false, problem: describe(error).message, config: {} })
  })
}).pipe(Effect.provide(State.config))

/** The model that turns use when nothing else is said. */
export const modelOf = (config: OpenClawConfig): string | undefined => primaryModel(config.agents?.defaults?.model)
