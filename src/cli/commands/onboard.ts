/**
 * `openclaw onboard` and `openclaw setup`: the first run.
 */
import * as Command from "effect/cli/Command"
import * as flags from "../flags.ts"
import { lazily } from "../lazily.ts"
import { AUTH_CHOICES } from "./onboard/choices.ts"

const onboardFlags = {
  nonInteractive: flags.on("non-interactive", "Ask nothing; the flags say it all"),
  acceptRisk: flags.on("accept-risk", "For scripts written for OpenClaw; not needed here"),
  authChoice: flags.oneOf("auth-choice", AUTH_CHOICES, "The model's provider, and how it knows you"),
  model: flags.text("model", "The model that answers, as its provider names it, or provider/model"),
  anthropicApiKey: flags.text("anthropic-api-key", "Key of Anthropic; - reads it from standard input"),
  openaiApiKey: flags.text("openai-api-key", "Key of OpenAI; - reads it from standard input"),
  openrouterApiKey: flags.text("openrouter-api-key", "Key of OpenRouter; - reads it from standard input"),
  customApiKey: flags.text("custom-api-key", "Key of a server of your own; - reads it from standard input"),
  apiKeyFile: flags.text("api-key-file", "Read the model's key from this file"),
  secretInputMode: flags.oneOf(
    "secret-input-mode",
    ["plaintext", "ref"],
    "Keep secrets in the configuration's file, or only the names of the variables that have them"
  ),
  customBaseUrl: flags.text("custom-base-url", "Address of Ollama or another server of your own"),
  customModelId: flags.text("custom-model-id", "As --model"),
  customProviderId: flags.text("custom-provider-id", "Name of that server in the configuration (default custom)"),
  customCompatibility: flags.oneOf(
    "custom-compatibility",
    ["openai", "openai-responses", "anthropic"],
    "Whose protocol it speaks (default openai)"
  ),
  telegramToken: flags.text("telegram-token", "Token of the Telegram bot; - reads it from standard input"),
  telegramTokenFile: flags.text("telegram-token-file", "File that has the token, and keeps it"),
  telegramAllowFrom: flags.text(
    "telegram-allow-from",
    "Only these ids may write to the bot, separated by commas (default: whoever you let in)"
  ),
  telegramApiRoot: flags.text("telegram-api-root", "Address of a Bot API server of your own"),
  skipChannels: flags.on("skip-channels", "Leave Telegram as it is"),
  gatewayPort: flags.whole("gateway-port", "Port of the Gateway", 1, 65_535),
  gatewayBind: flags.oneOf("gateway-bind", ["loopback", "lan", "tailnet"], "Who reaches it (default loopback)"),
  gatewayAuth: flags.oneOf("gateway-auth", ["token", "password"], "How it knows its friends (default token)"),
  gatewayToken: flags.text("gateway-token", "Its token; - reads it from standard input (default: one is made)"),
  gatewayTokenRefEnv: flags.text("gateway-token-ref-env", "The variable that has its token"),
  gatewayPassword: flags.text("gateway-password", "Its password; - reads it from standard input"),
  installDaemon: flags.on("install-daemon", "Have the Gateway run from now on, as a service"),
  skipDaemon: flags.on("skip-daemon", "Install no service"),
  skipHealth: flags.on("skip-health", "Do not ask a running Gateway for its hello"),
  skipChecks: flags.on("skip-checks", "Do not try model, bot, port and address before they are stored")
}

const make = <const Name extends string>(name: Name) =>
  Command.make(
    name,
    onboardFlags,
    lazily(() => import("./onboard/run.ts"))
  )

export const onboard = make("onboard").pipe(
  Command.withDescription(
    "Set it all up, step by step: model, Telegram, access, Gateway; run again, it changes what you like"
  ),
  Command.withExamples([
    { command: "openclaw onboard", description: "By questions, each answer tried at once" },
    {
      command: "openclaw onboard --non-interactive --auth-choice offline --skip-channels --install-daemon",
      description: "By flags: a Gateway to try, as a service"
    },
    {
      command:
        "openclaw onboard --non-interactive --auth-choice anthropic-api-key --model <model> --anthropic-api-key - < key",
      description: "By flags, with the key where no other user sees it"
    }
  ])
)

export const setup = make("setup").pipe(Command.withDescription("The same as `openclaw onboard`"))
