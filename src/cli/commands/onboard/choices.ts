/**
 * What `--auth-choice` may say. `apiKey` is the older name of Anthropic's.
 */
export const AUTH_CHOICES = [
  "apiKey",
  "anthropic-api-key",
  "openai-api-key",
  "openrouter-api-key",
  "ollama",
  "custom-api-key",
  "offline",
  "skip"
] as const
export type AuthChoice = (typeof AUTH_CHOICES)[number]
