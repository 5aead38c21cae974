/**
 * The way into `gateway run`: what has to be so before the Gateway is loaded.
 */
import * as Effect from "effect/Effect"
import { lazily } from "../../lazily.ts"
import { endsByStopping } from "../../lifetime.ts"
import { modest } from "./memory.ts"

const start = lazily(() => import("./start.ts"))

/** Told to stop while it is still loading, it is done too. */
export const run = (given: Parameters<typeof start>[0]) =>
  Effect.andThen(Effect.andThen(endsByStopping, modest), start(given))
