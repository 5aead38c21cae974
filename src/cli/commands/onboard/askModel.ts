/**
 * Step 1 on a terminal: provider, key, model, and one word from it.
 */
import * as ConfigProvider from "effect/ConfigProvider"
import * as Console from "effect/Console"
import * as Effect from "effect/Effect"
import * as Redacted from "effect/Redacted"
import * as Result from "effect/Result"
import { keyProblem, listModels, type ModelCheckFailed } from "../../../layers/checks/model.ts"
import { keyOf } from "../../../layers/models/keys.ts"
import { keyVariable } from "../../../layers/models/providers.ts"
import * as Reference from "../../../layers/models/reference.ts"
import { type OpenClawConfig, primaryModel } from "../../../services/ConfigSchema.ts"
import { Back, choose, type Choice, followed, line, search, secret } from "../../asking.ts"
import { Environment } from "../../Environment.ts"
import { lines, plain } from "../../output.ts"
import { waiting } from "../../progress.ts"
import { type Secret, untouched } from "./Draft.ts"
import { fromVariable, inFile, secretOf } from "./flags.ts"
import { CUSTOM, decided, OFFLINE, type Place, type Plan, refOf, targetOf, tryOut } from "./model.ts"

type Wanted = "keep" | "anthropic" | "openai" | "openrouter" | "ollama" | "custom" | "offline" | "skip"

const choices = (ref: string | undefined): ReadonlyArray<Choice<Wanted>> => [
  ...(ref === undefined ? [] : [{ title: `Keep ${plain(ref)}`, value: "keep" as const }]),
  { title: "Anthropic", value: "anthropic", description: "Claude, with an API key" },
  { title: "OpenAI", value: "openai", description: "GPT, with an API key" },
  { title: "OpenRouter", value: "openrouter", description: "many providers' models, with one API key" },
  { title: "Ollama", value: "ollama", description: "models on this machine or another one of yours, without a key" },
  { title: "Another server", value: "custom", description: "whatever speaks OpenAI's or Anthropic's protocol" },
  { title: "Offline", value: "offline", description: "built in, to try things out; answers by fixed rules" },
  ...(ref === undefined ? [{ title: "Leave it for later", value: "skip" as const }] : [])
]

const notAnAddress = (text: string): string | undefined => {
  const url = URL.parse(text)
  if (url === null || !/^https?:$/.test(url.protocol)) return "write it with http:// or https://"
  return url.username === "" && url.password === "" ? undefined : "leave name and password out; a key is asked for next"
}

const askUrl = (message: string, initial: string) =>
  line({ message, initial, validate: (text) => Effect.succeed(notAnAddress(text)) })

const askApi = (provider: string, baseUrl: string) =>
  Effect.map(
    choose("What does it speak?", [
      { title: "OpenAI's chat completions", value: "openai-completions", description: "nearly all servers do" },
      { title: "OpenAI's responses", value: "openai-responses" },
      { title: "Anthropic's messages", value: "anthropic-messages" }
    ]),
    (api): Place => ({ provider, baseUrl, api })
  )

/** `undefined`: none, or the one that is there. */
const askKey = Effect.fnUntraced(function* (place: Place, present: OpenClawConfig) {
  const variable = keyVariable(place.provider)
  const inShell = yield* fromVariable(variable)
  const has = (present.models?.providers?.[place.provider]?.apiKey ?? "") !== ""
  const mayLack = targetOf(present, place)?.needsKey !== true
  const source = yield* has || inShell !== undefined || mayLack
    ? choose<"keep" | "shell" | "type" | "none">(`The key of ${plain(place.provider)}`, [
        ...(has ? [{ title: "Keep the one that is configured", value: "keep" as const }] : []),
        ...(inShell === undefined
          ? []
          : [
              {
                title: `${variable} of this shell`,
                value: "shell" as const,
                description: "the file names the variable only"
              }
            ]),
        ...(mayLack && !has ? [{ title: "None", value: "none" as const, description: "it asks for no key" }] : []),
        { title: "Type one", value: "type", description: "kept in a file that only you can read" }
      ])
    : Effect.succeed("type" as const)
  if (source === "keep" || source === "none") return undefined
  if (source === "shell") return inShell
  const typed = yield* secret(`Key (shown as stars; or stop and set ${variable})`, (text) =>
    text === "" ? "paste the key, or press Esc to go back" : keyProblem(text)
  )
  return inFile(yield* secretOf(Redacted.value(typed)))
})

/** The provider's own list, where it has one. A key that it refuses leads back to the key. */
const namesOf = Effect.fnUntraced(function* (place: Place, key: Secret | undefined, present: OpenClawConfig) {
  const target = targetOf(present, place)
  if (target === undefined) return []
  const { variables } = yield* Environment
  const own = yield* keyOf(target, present, ConfigProvider.fromUnknown(variables))
  const listed = yield* Effect.result(
    listModels(target, key?.value ?? own?.value).pipe(waiting(`Asking ${plain(target.name)} for its models`))
  )
  // A name that would write over the screen is no model's.
  if (Result.isSuccess(listed)) return listed.success.filter((name) => plain(name) === name)
  const { kind, message } = listed.failure
  if (kind === "unsupported") return []
  yield* Console.error(lines(message))
  return yield* new Back({})
})

const askName = Effect.fnUntraced(function* (place: Place, names: ReadonlyArray<string>, present: OpenClawConfig) {
  const ref = primaryModel(present.agents?.defaults?.model)
  const parsed = ref === undefined ? undefined : Reference.parse(ref, present)
  const before = parsed?.provider === place.provider ? parsed.model : undefined
  if (names.length === 0) {
    return yield* line({
      message: `Name of the model at ${plain(place.provider)}`,
      initial: before,
      validate: (text) => Effect.succeed(text === "" ? "write it as the provider does" : undefined)
    })
  }
  const first = before !== undefined && names.includes(before) ? [before] : []
  return yield* search("Model", [...first, ...names.filter((name) => name !== before)])
})

type Wish = "again" | "back" | "keep"

/** What to do about a model that did not answer. */
const afterFailure = Effect.fnUntraced(function* ({ kind, message }: ModelCheckFailed) {
  yield* Console.error(lines(message))
  return yield* choose<Wish>(kind === "key" ? "The key was not taken" : "It did not answer", [
    { title: kind === "key" ? "Give the key again" : "Choose again", value: "back" },
    { title: "Try once more", value: "again" },
    { title: "Keep it all the same", value: "keep" }
  ])
})

const settle = (plan: Plan, present: OpenClawConfig, keySteps: number) =>
  Effect.gen(function* () {
    while (true) {
      const tried = yield* tryOut(plan).pipe(
        Effect.map(Result.succeed),
        Effect.catchTag("ModelCheckFailed", (failure) => Effect.succeed(Result.fail(failure)))
      )
      if (Result.isSuccess(tried)) {
        yield* Console.log(
          `${plain(refOf(plan))} says: ${plain(tried.success.text.slice(0, 60))} (${tried.success.elapsedMs} ms)`
        )
        return decided(plan, present, tried.success)
      }
      const wish = yield* afterFailure(tried.failure)
      if (wish === "keep") return decided(plan, present, undefined)
      if (wish === "back") return yield* new Back({ steps: tried.failure.kind === "key" ? keySteps : 1 })
    }
  })

/** The steps from the answer back to the key: its name is asked between them. */
const TO_KEY = 2

const withKey = (place: Place, present: OpenClawConfig) =>
  followed(askKey(place, present), (key) =>
    Effect.flatMap(namesOf(place, key, present), (names) =>
      followed(askName(place, names, present), (model) => settle({ ...place, model, key }, present, TO_KEY))
    )
  )

/** Where nobody asks for a key: what goes wrong leads back to the address. */
const withoutKey = (place: Place, present: OpenClawConfig) =>
  Effect.flatMap(namesOf(place, undefined, present), (names) =>
    followed(askName(place, names, present), (model) => settle({ ...place, model }, present, 1))
  )

const keep = Effect.fnUntraced(function* (ref: string, present: OpenClawConfig) {
  const parsed = Reference.parse(ref, present)
  if (parsed === undefined) return untouched
  const settled = yield* settle(parsed, present, 1)
  return { ...settled, changes: [] }
})

export const ask = (present: OpenClawConfig) => {
  const ref = primaryModel(present.agents?.defaults?.model)
  const urlOf = (provider: string, otherwise: string) => present.models?.providers?.[provider]?.baseUrl ?? otherwise
  return followed(choose("Which model shall answer?", choices(ref)), (wanted) => {
    switch (wanted) {
      case "keep":
        return ref === undefined ? Effect.succeed(untouched) : keep(ref, present)
      case "skip":
        return Effect.succeed(untouched)
      case "offline":
        return settle(OFFLINE, present, 1)
      case "ollama":
        return followed(askUrl("Address of Ollama", urlOf("ollama", "http://127.0.0.1:11434")), (baseUrl) =>
          withoutKey({ provider: "ollama", baseUrl }, present)
        )
      case "custom":
        return followed(askUrl("Address of the server", urlOf(CUSTOM, "http://127.0.0.1:8080/v1")), (baseUrl) =>
          followed(askApi(CUSTOM, baseUrl), (place) => withKey(place, present))
        )
      default:
        return withKey({ provider: wanted }, present)
    }
  })
}
