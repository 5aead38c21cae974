/**
 * The model: whether one is configured, whether the key is accepted, and with `--deep` whether it answers.
 */
import * as ConfigProvider from "effect/ConfigProvider"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import * as Result from "effect/Result"
import { checkModel, listModels, serverOf } from "../../../layers/checks/model.ts"
import { keyOf } from "../../../layers/models/keys.ts"
import * as Models from "../../../layers/models/Models.ts"
import { Models as ModelsService } from "../../../services/Models.ts"
import { Environment } from "../../Environment.ts"
import { plain } from "../../output.ts"
import * as State from "../../state.ts"
import { caught, error, info, ok, warn } from "./Check.ts"
import type { Subject } from "./Subject.ts"

const once = { attempts: 1, baseMs: 0, maxMs: 0 }

/** Cheap: the provider's list of models, which asks for the key wherever a call does. */
const cheap = Effect.fnUntraced(function* ({ config, program }: Subject, ref: string, provider: string, model: string) {
  const target = serverOf(config, provider)
  if (target === undefined) return []
  const { variables } = yield* Environment
  const key = yield* keyOf(target, config, ConfigProvider.fromUnknown(variables))
  const listed = yield* Effect.result(listModels(target, key?.value))
  const deeper = `\`${program} doctor --deep\` has it answer`
  if (Result.isFailure(listed)) {
    const { detail, fix, kind } = listed.failure
    return kind === "unsupported"
      ? [info("model", "answer", `${ref}: ${detail}, so that only a request tells whether it answers`, { fix: deeper })]
      : [error("model", kind, `${ref}: ${detail}`, { fix })]
  }
  const from =
    key === undefined
      ? "asks for no key"
      : `accepts the key (${key.source === "env" ? target.keyVariable : "configuration"})`
  // Some providers take names that their list does not have.
  return listed.success.includes(model)
    ? [ok("model", "key", `${ref}: ${provider} ${from} and has this model`)]
    : [info("model", "name", `${ref}: ${provider} ${from}; its list does not name this model`, { fix: deeper })]
})

export const model = (subject: Subject, deep: boolean) =>
  Effect.gen(function* () {
    if (!subject.file.valid) return [info("model", "answer", "not looked at: the configuration cannot be read")]
    if (subject.remote) return [info("model", "answer", "not looked at: the Gateway elsewhere has its own")]
    const models = yield* ModelsService
    const resolved = yield* Effect.result(models.resolve())
    if (Result.isFailure(resolved)) {
      const { message, reason } = resolved.failure
      return [
        (reason === "not-configured" ? warn : error)("model", reason, plain(message).replace(/\.$/, ""), {
          fix: `\`${subject.program} onboard\` chooses one, and tries it`
        })
      ]
    }
    const { model, provider, ref } = resolved.success
    if (ref === Models.OFFLINE_REF) {
      return [
        info("model", "answer", `${ref} answers by fixed rules; it is no language model`, {
          fix: `\`${subject.program} onboard\` chooses one`
        })
      ]
    }
    if (!deep) return yield* cheap(subject, ref, provider, model)
    return yield* Effect.match(checkModel(), {
      onFailure: ({ detail, fix, kind }) => [error("model", kind, `${ref}: ${plain(detail)}`, { fix })],
      onSuccess: ({ elapsedMs }) => [ok("model", "answer", `${ref} answered in ${elapsedMs} ms`)]
    })
  }).pipe(
    Effect.provide(
      Models.layerWith(once).pipe(
        Layer.provideMerge(State.config),
        Layer.provideMerge(
          Layer.unwrap(
            Effect.map(Environment, ({ variables }) => ConfigProvider.layer(ConfigProvider.fromUnknown(variables)))
          )
        )
      )
    ),
    caught("model", "answer")
  )
