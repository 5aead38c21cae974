/**
 * What `openclaw doctor` finds, as data.
 */
import * as Effect from "effect/Effect"
import { describe } from "../../errors.ts"

/** What is looked at, in the order in which it is shown. */
export const AREAS = [
  "program",
  "config",
  "state",
  "gateway",
  "service",
  "model",
  "telegram",
  "nodes",
  "ssh",
  "tailscale",
  "clock",
  "security"
] as const
export type Area = (typeof AREAS)[number]

/** What `--fix` can do about a finding. `private` and the other safe ones are done without a question. */
export type Repair =
  | { readonly kind: "private" }
  | { readonly kind: "stale-lock" }
  | { readonly kind: "config-names" }
  | { readonly kind: "service" }
  | { readonly kind: "webhook"; readonly accountId: string }

/** `error`: does not work. `warn`: works, and should not stay so. `info`: good to know. No part of it holds a secret. */
export interface Check {
  readonly area: Area
  readonly id: string
  readonly status: "ok" | "info" | "warn" | "error"
  /** One sentence without its full stop. */
  readonly detail: string
  /** What to do, without the full stop. */
  readonly fix?: string | undefined
  readonly repair?: Repair | undefined
}

type More = Pick<Check, "fix" | "repair">

const make =
  (status: Check["status"]) =>
  (area: Area, id: string, detail: string, more: More = {}): Check => ({
    area,
    id,
    status,
    detail,
    ...(more.fix === undefined ? undefined : { fix: more.fix }),
    ...(more.repair === undefined ? undefined : { repair: more.repair })
  })

export const ok = make("ok")
export const info = make("info")
export const warn = make("warn")
export const error = make("error")

const bare = (text: string): string => text.trim().replace(/\.$/, "")

/** A message of this program: what happened, and its line with the fix. */
export const partsOf = (message: string): { readonly detail: string; readonly fix?: string } => {
  const at = message.indexOf("\nFix: ")
  return at === -1
    ? { detail: bare(message) }
    : { detail: bare(message.slice(0, at)), fix: bare(message.slice(at + "\nFix: ".length)) }
}

/** A failure as a finding. */
export const failure = (area: Area, id: string, cause: unknown, status: "warn" | "error" = "error"): Check => {
  const { detail, fix } = partsOf(describe(cause).message)
  return make(status)(area, id, detail, { fix })
}

/** Whatever goes wrong while something is looked at is a finding too. */
export const caught =
  (area: Area, id: string) =>
  <E, R>(looked: Effect.Effect<ReadonlyArray<Check>, E, R>): Effect.Effect<ReadonlyArray<Check>, never, R> =>
    Effect.catch(looked, (cause) => Effect.succeed([failure(area, id, cause)]))
