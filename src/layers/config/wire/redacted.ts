/**
 * A configuration as it goes over the wire: each secret is a sentinel, and a sentinel that comes back stands for the secret
 * that the file has there. Pure.
 */
import { isDeepStrictEqual } from "node:util"
import JSON5 from "json5"
import * as Result from "effect/Result"
import { redactShapes } from "../../logging/Redactor.ts"
import { define, formatPath, isTree, type Path } from "../path.ts"
import { isPlaceholder, isReference, isSecretValue } from "../redact.ts"
import { print } from "../source.ts"

/** What OpenClaw's clients know as "there is a secret here". */
export const SENTINEL = "__OPENCLAW_REDACTED__"

/**
 * Keys below which OpenClaw shows no text, and lists of what those name one of. The file may have keys that this program does
 * not know, and more people read it over the wire than on its machine.
 */
const SUSPECT = /password|secret|api.?key|encrypt.?key|private.?key|tokens?$|service.?account(?:.?ref)?$/i
/** Where a secret is. */
const FILE = /file$/i

/** The section `secrets` says by which ways secrets come. */
const isSuspect = (path: Path): boolean =>
  path.some((key, index) => typeof key === "string" && (index > 0 || key !== "secrets") && SUSPECT.test(key)) &&
  !FILE.test(String(path.at(-1)))

/** Whole values only: half of a text would come back as the text. */
const isHidden = (value: unknown, path: Path): boolean =>
  isSecretValue(value, path) ||
  (typeof value === "string" &&
    (redactShapes(value) !== value || (value !== "" && !isPlaceholder(value) && isSuspect(path))))

/** The tree with a sentinel for every secret. */
export const redactForWire = (value: unknown, path: Path = []): unknown => {
  if (Array.isArray(value)) return value.map((item, index) => redactForWire(item, [...path, index]))
  if (isTree(value)) {
    if (isReference(value)) return value
    const copy: Record<string, unknown> = {}
    for (const [key, own] of Object.entries(value)) define(copy, key, redactForWire(own, [...path, key]))
    return copy
  }
  return isHidden(value, path) ? SENTINEL : value
}

const hiddenTexts = (value: unknown, path: Path = []): ReadonlyArray<string> => {
  if (Array.isArray(value)) return value.flatMap((item, index) => hiddenTexts(item, [...path, index]))
  if (isTree(value)) {
    return isReference(value) ? [] : Object.entries(value).flatMap(([key, own]) => hiddenTexts(own, [...path, key]))
  }
  return isHidden(value, path) ? [String(value)] : []
}

const parsed = (text: string): unknown => Result.getOrUndefined(Result.try((): unknown => JSON5.parse(text)))

/** Whether a text without its known secrets looks as if it told one, in a comment for example. */
const tellsMore = (text: string): boolean => {
  const plain = text.replace(/"(?:__OPENCLAW_REDACTED__|\$\{[A-Z_][A-Z0-9_]*\})?"/g, "null")
  return redactShapes(plain) !== plain
}

/**
 * The file's text with its secrets replaced, as long as nothing else changes by it; `null` where that cannot be vouched for,
 * for example when a comment tells a secret.
 */
export const redactText = (text: string, raw: unknown): string | null => {
  const shown = redactForWire(raw)
  if (text.trim() === print(raw).trim()) return `${print(shown)}\n`
  const secrets = [...new Set(hiddenTexts(raw))]
  const replaced = secrets
    .flatMap((secret) => {
      const json = JSON.stringify(secret)
      const single = `'${json
        .slice(1, -1)
        .replaceAll(String.raw`\"`, '"')
        .replaceAll("'", String.raw`\'`)}'`
      return [json, single]
    })
    .reduce((current, quoted) => current.replaceAll(quoted, JSON.stringify(SENTINEL)), text)
  const isSafe =
    secrets.every((secret) => !replaced.includes(secret)) &&
    !tellsMore(replaced) &&
    isDeepStrictEqual(parsed(replaced), parsed(print(shown)))
  return isSafe ? replaced : null
}

const holdsSentinel = (value: unknown): boolean =>
  (typeof value === "string" && value.includes(SENTINEL)) ||
  (Array.isArray(value)
    ? value.some(holdsSentinel)
    : typeof value === "object" && value !== null && Object.values(value).some(holdsSentinel))

const idOf = (item: unknown): string | undefined => {
  const id = isTree(item) && Object.hasOwn(item, "id") ? item["id"] : undefined
  return typeof id === "string" ? id : undefined
}

/**
 * The item that an item of a written array stands for: by its id, else by what is shown of it, else by its place. Items may
 * have changed places, and a secret must not go to a neighbour.
 */
const partnerOf = (
  item: unknown,
  index: number,
  given: ReadonlyArray<unknown>,
  original: ReadonlyArray<unknown>,
  path: Path
): unknown => {
  const id = idOf(item)
  if (id !== undefined && id !== SENTINEL) {
    const named = original.filter((own) => idOf(own) === id)
    if (named.length < 2) return named[0]
  }
  const shown = original.map((own, at) => redactForWire(own, [...path, at]))
  if (isDeepStrictEqual(shown[index], item)) return original[index]
  const alike = original.filter((_, at) => isDeepStrictEqual(shown[at], item))
  if (alike.length > 0) return alike.every((own) => isDeepStrictEqual(own, alike[0])) ? alike[0] : undefined
  // Changed, then. Whose place another item took is not to be guessed.
  const isTaken = given.some((other, at) => at !== index && isDeepStrictEqual(shown[index], other))
  return given.length === original.length && !isTaken ? original[index] : undefined
}

/** A written tree with each sentinel replaced by what `original` has there. Fails with the place that has nothing. */
export const restore = (given: unknown, original: unknown, path: Path = []): Result.Result<unknown, string> => {
  if (given === SENTINEL) {
    const isSecret = (typeof original === "string" || typeof original === "number") && isHidden(original, path)
    return isSecret ? Result.succeed(original) : Result.fail(formatPath(path))
  }
  // Something was written around it: no secret is one.
  if (typeof given === "string" && given.includes(SENTINEL)) return Result.fail(formatPath(path))
  if (!holdsSentinel(given)) return Result.succeed(given)
  if (Array.isArray(given)) {
    const own = Array.isArray(original) ? original : []
    return Result.all(
      given.map((item, index) => restore(item, partnerOf(item, index, given, own, path), [...path, index]))
    )
  }
  const copy: Record<string, unknown> = {}
  for (const [key, item] of Object.entries(given as object)) {
    const own = isTree(original) && Object.hasOwn(original, key) ? original[key] : undefined
    const result = restore(item, own, [...path, key])
    if (Result.isFailure(result)) return result
    define(copy, key, result.success)
  }
  return Result.succeed(copy)
}
