/**
 * What every subject finds in its `openclaw.json`.
 */
import type { BotApiServer } from "../src/testing/BotApi.ts"

export const modelConfig = (baseUrl: string) => ({
  agents: { defaults: { model: "bench/instant" } },
  models: {
    providers: {
      bench: {
        baseUrl,
        apiKey: "none",
        api: "openai-completions",
        models: [{ id: "instant", name: "Instant", contextWindow: 128_000, maxTokens: 4096 }]
      }
    }
  }
})

/** A bot that answers these people. */
export const telegramConfig = (bot: BotApiServer, people: ReadonlyArray<{ readonly id: number }>) => ({
  channels: {
    telegram: {
      enabled: true,
      botToken: bot.token,
      apiRoot: bot.url,
      dmPolicy: "allowlist",
      allowFrom: people.map(({ id }) => String(id)),
      network: { dangerouslyAllowPrivateNetwork: true }
    }
  }
})
