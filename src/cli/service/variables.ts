/**
 * The variables of this shell that a service needs and would not have: they are kept in a file that only its owner may read.
 */
import * as Effect from "effect/Effect"
import { variablesIn } from "../../layers/config/substitute.ts"
import { keyVariable, PRESETS } from "../../layers/models/providers.ts"
import * as EnvironmentFile from "../../layers/service/environmentFile.ts"
import { Config } from "../../services/Config.ts"
import type { ServiceKind } from "../../services/ServiceManager.ts"
import { StateDir } from "../../services/StateDir.ts"
import { Environment } from "../Environment.ts"
import * as State from "../state.ts"

const CREDENTIALS = ["OPENCLAW_GATEWAY_TOKEN", "OPENCLAW_GATEWAY_PASSWORD"] as const

/** What a Gateway looks at, and what its configuration names. */
const names = Effect.fnUntraced(function* (kind: ServiceKind) {
  if (kind === "node") return [...CREDENTIALS, "OPENCLAW_GATEWAY_URL"]
  const config = yield* Config
  // A file that is wrong is said elsewhere.
  const tree = yield* Effect.orElseSucceed(
    Effect.map(config.inspect, ({ composed }) => composed),
    () => undefined
  )
  const found = yield* Effect.orElseSucceed(config.get, () => undefined)
  const providers = [...PRESETS, ...Object.keys(found?.models?.providers ?? {})]
  return [...CREDENTIALS, "TELEGRAM_BOT_TOKEN", ...providers.map(keyVariable), ...variablesIn(tree)]
}, Effect.provide(State.config))

/**
 * Writes the file: what this shell has goes before what the file had, and nothing is forgotten. Gives the names in it; without
 * any there is no file.
 */
export const keepVariables = Effect.fn("cli.service.keepVariables")(function* (
  kind: ServiceKind,
  file: string,
  more: Readonly<Record<string, string>> = {}
) {
  const { variables } = yield* Environment
  const state = yield* StateDir
  const name = file.slice(state.root.length + 1)
  const before = EnvironmentFile.parse((yield* state.read(name)) ?? "")
  const given = (yield* names(kind)).flatMap((each) => {
    const value = variables[each]
    return value === undefined || value === "" ? [] : [[each, value] as const]
  })
  const all = { ...before, ...Object.fromEntries(given), ...more }
  if (Object.keys(all).length === 0) return []
  const text = yield* Effect.fromResult(EnvironmentFile.render(all))
  yield* state.write(name, text)
  return Object.keys(all).sort()
}, Effect.provide(State.stateDir))
