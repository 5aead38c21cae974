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

/**
 * Each takes time in proportion to the text, whatever the text is: nothing repeats without a bound before the part that
 * tells a secret from other words, so that no stretch of text is gone through once for each place a match could start.
 */
const shapes: ReadonlyArray<readonly [pattern: RegExp, replacement: string]> = [
  // An Authorization header's value: the scheme stays, so that the line can still be understood.
  [/\b(Bearer|Basic)\s+[A-Za-z0-9._~+/=-]{8,}/gi, `$1 ${REDACTED}`],
  // Telegram: the token stands in the URL's path, with or without its `bot` prefix, and also percent-encoded.
  [/\b(bot)?\d{5,}(?::|%3A)[A-Za-z0-9_-]{20,}/gi, `$1${REDACTED}`],
  // Provider keys, code host and chat tokens.
  [/\b(?:sk|pk|rk|xai|gsk|hf|ghp|gho|ghs|github_pat|glpat|xox[abprs]|AIza)[-_][A-Za-z0-9_-]{10,}/g, REDACTED],
  [/\bAIza[A-Za-z0-9_-]{20,}/g, REDACTED],
  // user:password@ in a URL.
  [/(\b[a-z][a-z0-9+.-]{0,31}:\/\/)[^\s/@:]*:[^\s/@]+@/gi, `$1${REDACTED}@`],
  [/-----BEGIN [A-Z ]*PRIVATE KEY-----[\s\S]*?(?:-----END [A-Z ]*PRIVATE KEY-----|$)/g, REDACTED],
  // `token=…`, `"apiKey":"…"`, `OPENCLAW_GATEWAY_PASSWORD=…`: the end of a secret-looking name followed by its value. A
  // quoted value that does not end is one that was cut.
  [
    /((?:token|password|passwd|passphrase|secret|api[_-]?key|authorization)["']?\s*[=:]\s*)(?:"[^"\\]*(?:\\.[^"\\]*)*(?:"|\\?$)|'[^'\\]*(?:\\.[^'\\]*)*(?:'|\\?$)|[^\s"',;&)}\]]{6,})/gis,
    `$1${REDACTED}`
  ]
]

/** Replaces every secret shape in a text. Total. */
export const redactShapes = (text: string): string =>
  shapes.reduce((current, [pattern, replacement]) => current.replace(pattern, replacement), text)

/** The forms in which one secret may appear: as it is, in JSON, in a URL, in a Basic header. */
const formsOf = (secret: string): ReadonlyArray<string> => {
  const json = JSON.stringify(secret).slice(1, -1)
  // A lone surrogate has no percent-encoding.
  const url = secret.isWellFormed() ? [encodeURIComponent(secret)] : []
  return [...new Set([secret, json, JSON.stringify(json).slice(1, -1), ...url])]
}

/**
 * The text without secrets. Never fails. With `most`, of a longer text about that many characters come back, and hardly
 * more are looked at; a secret that the cut would halve is left out.
 */
export type Redact = (text: string, most?: number) => string

/** What a cut may leave of a shape that can no longer be recognised is shorter than this, a password in a URL included. */
const SHAPE_MARGIN = 1_024

/** A function that takes these values, and every secret shape, out of a text. Longer values go first. */
export const makeRedact = (secrets: Iterable<string>): Redact => {
  const known = [...secrets]
    .filter((secret) => secret.length >= MIN_SECRET_LENGTH)
    .flatMap(formsOf)
    .sort((a, b) => b.length - a.length)
  const clean = (text: string) =>
    redactShapes(known.reduce((current, secret) => current.replaceAll(secret, REDACTED), text))
  // Twice: what stands in a short secret's place may be longer than the secret.
  const margin = Math.max(SHAPE_MARGIN, 2 * (known[0]?.length ?? 0))
  return (text, most = Number.POSITIVE_INFINITY) => {
    if (text.length <= most) return clean(text)
    const start = clean(text.slice(0, most + margin))
    // The last stretch may hold the beginning of a secret whose end was cut off.
    return text.length <= most + margin ? start.slice(0, most) : start.slice(0, Math.max(0, start.length - margin))
  }
}

export interface RedactorShape {
  readonly redact: Redact
  /** Adds values that must not be shown from now on. Values are never forgotten: a rotated token stays a secret. */
  readonly add: (secrets: Iterable<string>) => Effect.Effect<void>
}

/** Without a layer, only the shapes are known. */
export class Redactor extends Context.Service<Redactor, RedactorShape>()("openclaw/layers/logging/Redactor") {
  static readonly layer: Layer.Layer<Redactor> = Layer.sync(Redactor, () => {
    const secrets = new Set<string>()
    let redact = makeRedact(secrets)
    return {
      redact: (text, most) => redact(text, most),
      add: (more) =>
        Effect.sync(() => {
          const before = secrets.size
          for (const secret of more) secrets.add(secret)
          if (secrets.size > before) redact = makeRedact(secrets)
        })
    }
  })
}
