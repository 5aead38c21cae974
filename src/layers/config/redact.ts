/**
 * Which values of a configuration are secrets, and the configuration without them. Pure.
 */
import { REDACTED, redactShapes } from "../logging/Redactor.ts"
import type { Path, Segment } from "./path.ts"
import { define, isTree } from "./path.ts"

/** The last word of a secret's key: `botToken`, `gateway_password`, `webhookSecret`, `privateKey`. Not `maxTokens`. */
const SECRET_KEY =
  /(?:^|[a-z0-9_-])(?:[Tt]oken|[Pp]assword|[Pp]asswd|[Pp]assphrase|[Ss]ecret|[Cc]redentials?|[Aa]uthorization|[Cc]ookie|(?:[Aa]pi|[Pp]rivate|[Ss]ecret|[Aa]ccess|[Ss]igning|[Ee]ncryption)[-_]?[Kk]ey|[Ii]dentityData|[Cc]ertificateData)$/
const UPPER_SECRET =
  /(?:TOKEN|PASSWORD|PASSWD|PASSPHRASE|SECRET|CREDENTIALS?|AUTHORIZATION|COOKIE|(?:API|PRIVATE|SECRET|ACCESS)_?KEY)$/

/** Maps whose texts are shown as secrets whatever their keys are: request headers, environment variables. */
const secretMaps = new Set(["headers", "vars", "env", "edgeAuth"])

export const isSecretKey = (key: string): boolean => SECRET_KEY.test(key) || UPPER_SECRET.test(key)

const namesOf = (path: Path): ReadonlyArray<string> =>
  path.filter((segment): segment is string => typeof segment === "string")

/** Whether everything at a path is secret, by a key on the way. */
const isSecretByKey = (path: Path): boolean => namesOf(path).some(isSecretKey)

/** Whether a text at a path is a secret. */
export const isSecretPath = (path: Path): boolean =>
  isSecretByKey(path) ||
  namesOf(path)
    .slice(0, -1)
    .some((name) => secretMaps.has(name))

/** `"${NAME}"` and `{ source, provider, id }` say where a secret is, not what it is. What has more to say may tell one. */
export const isPlaceholder = (text: string): boolean => /^\$\{[A-Z_][A-Z0-9_]*\}$/.test(text)
const sources: ReadonlySet<unknown> = new Set(["env", "file", "exec"])
export const isReference = (value: unknown): boolean =>
  isTree(value) &&
  sources.has(value["source"]) &&
  typeof value["id"] === "string" &&
  Object.entries(value).every(
    ([key, own]) => key === "source" || key === "id" || (key === "provider" && typeof own === "string")
  )

/** Whether the value of one key is a secret, by where it stands. */
export const isSecretValue = (value: unknown, path: Path): boolean =>
  typeof value === "string"
    ? value !== "" && !isPlaceholder(value) && isSecretPath(path)
    : typeof value === "number" && isSecretByKey(path)

const leaf = (path: Path, value: unknown): unknown => {
  if (isSecretValue(value, path)) return REDACTED
  return typeof value === "string" && !isPlaceholder(value) ? redactShapes(value) : value
}

/** The tree with every secret shown as `<redacted>`; `path` is where the tree stands. For printing, never for writing. */
export const redactConfig = (value: unknown, path: Path = []): unknown => {
  if (Array.isArray(value)) return value.map((item, index) => redactConfig(item, [...path, index]))
  if (isTree(value)) {
    if (isReference(value)) return value
    const copy: Record<string, unknown> = {}
    for (const [key, own] of Object.entries(value)) define(copy, key, redactConfig(own, [...path, key]))
    return copy
  }
  return leaf(path, value)
}

/** A header or variable whose name says nothing is searched for in the log only when it is long: `NODE_ENV=production`. */
const LONG = 16

/** The secrets in a tree, for the log's redactor. */
export const secretsOf = (root: unknown): ReadonlyArray<string> => {
  const found: Array<string> = []
  const walk = (value: unknown, path: ReadonlyArray<Segment>): void => {
    if (Array.isArray(value)) value.forEach((item, index) => walk(item, [...path, index]))
    else if (isTree(value)) {
      if (!isReference(value)) for (const [key, own] of Object.entries(value)) walk(own, [...path, key])
    } else if (typeof value === "string" && !isPlaceholder(value)) {
      const named = isSecretByKey(path) || /key|token|secret|auth|cookie/i.test(String(path.at(-1)))
      if (isSecretPath(path) && (named || value.length >= LONG)) found.push(value)
    } else if (typeof value === "number" && isSecretByKey(path)) found.push(String(value))
  }
  walk(root, [])
  return found
}
