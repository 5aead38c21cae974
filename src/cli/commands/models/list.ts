import * as Console from "effect/Console"
import * as Effect from "effect/Effect"
import type { ModelChoice } from "../../../protocol/methods/models.ts"
import { ask } from "../../gateway.ts"
import { Json } from "../../globals.ts"
import { plain, print, table } from "../../output.ts"

const stateOf = ({ available, unavailableReason }: ModelChoice): string =>
  available === false
    ? unavailableReason === "missing-auth"
      ? "no key"
      : "cannot be used"
    : available === true
      ? "yes"
      : ""

/** Prints `models.list` in the form of OpenClaw's own command. */
export const run = Effect.fn("cli.models.list")(function* (flags: {
  readonly agent: string | undefined
  readonly all: boolean
  readonly provider: string | undefined
  readonly plain: boolean
  readonly timeout: number
}) {
  const answer = yield* ask({ scopes: ["operator.read"], timeoutMs: flags.timeout }, (client) =>
    client.call["models.list"]({
      view: flags.all ? "all" : "default",
      ...(flags.agent === undefined ? undefined : { agentId: flags.agent })
    })
  )
  const models = answer.models.filter(({ provider }) => flags.provider === undefined || provider === flags.provider)
  if (flags.plain && !(yield* Json)) {
    return yield* Effect.forEach(models, ({ id, provider }) => Console.log(plain(`${provider}/${id}`)), {
      discard: true
    })
  }
  yield* print(
    {
      count: models.length,
      models: models.map((model) => ({
        key: `${model.provider}/${model.id}`,
        name: model.name,
        contextWindow: model.contextWindow ?? null,
        available: model.available ?? null,
        tags: model.tags ?? [],
        ...(model.unavailableReason === undefined ? undefined : { unavailableReason: model.unavailableReason })
      }))
    },
    () =>
      models.length === 0
        ? answer.models.length > 0
          ? `No models of the provider ${plain(flags.provider ?? "")}.`
          : "No models. Set one with `openclaw config set agents.defaults.model <provider>/<model>`."
        : table(
            ["Model", "Name", "Context", "Usable", "Tags"],
            models.map((model) => [
              `${model.provider}/${model.id}`,
              model.name,
              model.contextWindow === undefined ? "" : String(model.contextWindow),
              stateOf(model),
              (model.tags ?? []).join(", ")
            ])
          )
  )
})
