/**
 * The kinds of flags that commands are made of.
 */
import * as Flag from "effect/cli/Flag"
import * as Option from "effect/Option"

/** On when given. */
export const on = (name: string, description: string): Flag.Flag<boolean> =>
  Flag.Boolean(name).pipe(Flag.withDescription(description), Flag.withDefault(false))

/** A text; `undefined` when it is not given. */
export const text = (name: string, description: string): Flag.Flag<string | undefined> =>
  Flag.String(name).pipe(Flag.withDescription(description), Flag.optional, Flag.map(Option.getOrUndefined))

/** A whole number from `minimum` to `maximum`; `undefined` when it is not given. */
export const whole = (
  name: string,
  description: string,
  minimum = 0,
  maximum = Number.MAX_SAFE_INTEGER
): Flag.Flag<number | undefined> =>
  Flag.Int(name).pipe(
    Flag.filter(
      (value) => value >= minimum && value <= maximum,
      // The parser writes "Expected: " before it.
      () =>
        `a whole number ${maximum === Number.MAX_SAFE_INTEGER ? `of at least ${minimum}` : `from ${minimum} to ${maximum}`}`
    ),
    Flag.withDescription(description),
    Flag.optional,
    Flag.map(Option.getOrUndefined)
  )

/** One of some words; `undefined` when it is not given. */
export const oneOf = <const Words extends ReadonlyArray<string>>(
  name: string,
  words: Words,
  description: string
): Flag.Flag<Words[number] | undefined> =>
  Flag.Literals(name, words).pipe(Flag.withDescription(description), Flag.optional, Flag.map(Option.getOrUndefined))

/** Milliseconds to wait for the Gateway, or for what else the text says. */
export const timeout = (standard = 10_000, what = "Milliseconds to wait for the Gateway"): Flag.Flag<number> =>
  whole("timeout", `${what} (default ${standard})`, 1).pipe(Flag.map((value) => value ?? standard))
