/**
 * Takes secrets out of text that people will read: log lines, causes, status rows.
 *
 * Two rules together: values known to be secret (the configuration's tokens, keys and passwords) wherever they occur, and
 * shapes that are always secret (`Bearer …`, a Telegram bot token, a provider key, a private key block).
 */
import * as Context from "effect/Context"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"

/** What stands in a secret's place. */
export const REDACTED = "<redacted>"

/**
 * Known values shorter than this are not searched for: they would blank out ordinary words and so reveal where they
 * occur. `openclaw config validate` cannot forbid such a password, so this is where the promise ends.
 */
export const MIN_SECRET_LENGTH = 6

const shapes: ReadonlyArray<readonly [pattern: RegExp, replacement: string]> = [
  // An Authorization header's value: the scheme stays, so that the line can still be understood.
  [/\b(Bearer|Basic)\s+[A-Za-z0-9._~+/=-]{8,}/gi, `$1 ${REDACTED}`],
  // Telegram: the token stands in the URL's path, with or without its `bot` prefix, and also percent-encoded.
  [/\b(bot)?\d{5,}(?::|%3A)[A-Za-z0-9_-]{20,}/gi, `$1${REDACTED}`],
  // Provider keys, code host and chat tokens.
  [/\b(?:sk|pk|rk|xai|gsk|hf|ghp|gho|ghs|github_pat|glpat|xox[abprs]|AIza)[-_][A-Za-z0-9_-]{10,}/g, REDACTED],
  [/\bAIza[A-Za-z0-9_-]{20,}/g, REDACTED],
  // user:password@ in a URL.
  [/(\b[a-z][a-z0-9+.-]*:\/\/)[^\s/@:]*:[^\s/@]+@/gi, `$1${REDACTED}@`],
  [/-----BEGIN [A-Z ]*PRIVATE KEY-----[\s\S]*?(?:-----END [A-Z ]*PRIVATE KEY-----|$)/g, REDACTED],
  // `token=…`, `"apiKey":"…"`, `OPENCLAW_GATEWAY_PASSWORD=…`: a secret-looking name followed by its value.
  [
    /((?:^|[^A-Za-z])["']?[\w.-]*(?:token|password|passwd|passphrase|secret|api[_-]?key|authorization)["']?\s*[=:]\s*)(?:"(?:[^"\\]|\\.)*"|'(?:[^'\\]|\\.)*'|[^\s"',;&)}\]]{6,})/gi,
    `$1${REDACTED}`
  ]
]

/** Replaces every secret shape in a text. Total, and idempotent. */
export const redactShapes = (text: string): string =>
  shapes.reduce((current, [pattern, replacement]) => current.replace(pattern, replacement), text)

/** The forms in which one secret may appear: as it is, in JSON, in a URL, in a Basic header. */
const formsOf = (secret: string): ReadonlyArray<string> => {
  const json = JSON.stringify(secret).slice(1, -1)
  // A lone surrogate has no percent-encoding.
  const url = secret.isWellFormed() ? [encodeURIComponent(secret)] : []
  return [...new Set([secret, json, JSON.stringify(json).slice(1, -1), ...url])]
}

/** A function that takes these values, and every secret shape, out of a text. Longer values go first. */
export const makeRedact = (secrets: Iterable<string>): ((text: string) => string) => {
  const known = [...secrets]
    .filter((secret) => secret.length >= MIN_SECRET_LENGTH)
    .flatMap(formsOf)
    .sort((a, b) => b.length - a.length)
  return (text) => redactShapes(known.reduce((current, secret) => current.replaceAll(secret, REDACTED), text))
}

export interface RedactorShape {
  /** The text without secrets. Never fails. */
  readonly redact: (text: string) => string
  /** Adds values that must not be shown from now on. Values are never forgotten: a rotated token stays a secret. */
  readonly add: (secrets: Iterable<string>) => Effect.Effect<void>
}

/** Without a layer, only the shapes are known. */
export class Redactor extends Context.Service<Redactor, RedactorShape>()("openclaw/layers/logging/Redactor") {
  static readonly layer: Layer.Layer<Redactor> = Layer.sync(Redactor, () => {
    const secrets = new Set<string>()
    let redact = makeRedact(secrets)
    return {
      redact: (text) => redact(text),
      add: (more) =>
        Effect.sync(() => {
          const before = secrets.size
          for (const secret of more) secrets.add(secret)
          if (secrets.size > before) redact = makeRedact(secrets)
        })
    }
  })
}
