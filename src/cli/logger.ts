/**
 * Where the log of a command that runs until it is stopped goes: stderr, and a file where one is named.
 */
import * as Console from "effect/Console"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import type { LogLevel as Level } from "effect/LogLevel"
import * as Option from "effect/Option"
import type { ConfiguredLevel } from "../layers/Logging.ts"
import { Environment } from "./Environment.ts"
import { LogLevel } from "./globals.ts"

const LEVELS: Readonly<Record<Level, ConfiguredLevel>> = {
  All: "trace",
  Trace: "trace",
  Debug: "debug",
  Info: "info",
  Warn: "warn",
  Error: "error",
  Fatal: "fatal",
  None: "silent"
}

export interface ServiceLog {
  /** Absolute path of the log file; left out, there is none. */
  readonly file?: string
  /** Least level of the file; of stderr too, unless `--log-level` names another. */
  readonly level: ConfiguredLevel
  /** Least level of stderr. */
  readonly consoleLevel: ConfiguredLevel
  readonly style: "pretty" | "json"
}

/** For a command that runs until it is stopped: dated lines, and a file where one is named. */
export const layerService = (options: ServiceLog) =>
  Layer.unwrap(
    Effect.gen(function* () {
      const { terminal, variables } = yield* Environment
      const console = yield* Console.Console
      const asked = Option.map(yield* LogLevel, (level) => LEVELS[level])
      const Logging = yield* Effect.promise(() => import("../layers/Logging.ts"))
      return Logging.layer({
        file: options.file,
        level: options.level,
        stderr: {
          write: (text) => console.error(text.trimEnd()),
          level: Option.getOrElse(asked, () => options.consoleLevel),
          style: options.style,
          color: terminal !== undefined && (variables["NO_COLOR"] ?? "") === ""
        }
      })
    })
  )
