/**
 * What was decided becomes the configuration, in one write: until then nothing is changed.
 */
import * as Effect from "effect/Effect"
import { needsRestart } from "../../../layers/config/reload.ts"
import { changedPaths } from "../../../layers/config/wire/mergePatch.ts"
import { Config, ConfigInvalid } from "../../../services/Config.ts"
import * as State from "../../state.ts"
import { refused, restartNote } from "../config/change.ts"
import { applied, type Decided } from "./Draft.ts"

/** Gives the paths that are other than before, and what a Gateway that runs does about them where it does not simply take them up. */
export const store = Effect.fn("cli.onboard.store")(function* (all: ReadonlyArray<Decided>) {
  const config = yield* Config
  const changes = all.flatMap((decided) => decided.changes)
  let changed: ReadonlyArray<string> = []
  yield* config
    .edit(
      Effect.fnUntraced(function* ({ problems, raw }) {
        if (problems.length > 0) return yield* new ConfigInvalid({ file: config.file, problems })
        const tree = yield* Effect.mapError(
          Effect.fromResult(applied(raw, changes)),
          ({ at, expected }) =>
            new ConfigInvalid({
              file: config.file,
              problems: [{ path: at, value: "something else that is there", expected }]
            })
        )
        changed = changedPaths(raw, tree)
        return changed.length === 0 ? undefined : tree
      })
    )
    .pipe(Effect.mapError((error) => (error._tag === "ConfigChanged" ? error : refused(config)(error))))
  return { changed, restart: needsRestart(changed) ? yield* restartNote(config) : undefined }
}, Effect.provide(State.config))
