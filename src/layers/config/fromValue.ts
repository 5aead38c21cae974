/**
 * The configuration as a value of the app, instead of a file.
 */
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import * as PubSub from "effect/PubSub"
import * as Stream from "effect/Stream"
import type { Config } from "../../services/Config.ts"
import type { OpenClawConfig } from "../../services/ConfigSchema.ts"
import * as ConfigLayer from "./Config.ts"
import { print } from "./source.ts"
import type { Env } from "./substitute.ts"

/** What it is called where a file would be named. */
export const NAME = "the app's configuration"

/**
 * Starts with `value`, which is checked when the Gateway starts. What is set later, by the app through `Config` or by an operator,
 * counts at once and is forgotten with the Layer. `env` has the variables that texts name as `${NAME}`.
 */
export const fromValue = (value: OpenClawConfig, options: { readonly env?: Env } = {}): Layer.Layer<Config> =>
  Layer.unwrap(
    Effect.gen(function* () {
      const written = yield* PubSub.sliding<void>(1)
      let text = print(value)
      return ConfigLayer.layerOf(
        {
          file: NAME,
          read: Effect.sync(() => text),
          include: Effect.succeed,
          write: (tree) =>
            Effect.andThen(
              Effect.sync(() => {
                text = print(tree)
              }),
              PubSub.publish(written, undefined)
            ),
          announced: Stream.fromPubSub(written)
        },
        options
      )
    })
  )
