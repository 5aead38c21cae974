/**
 * The binary's short way to a running Gateway, a bundle of its own: what it always needs is in two files.
 */
import type { Asked } from "./cli/door/parse.ts"
import { serving } from "./cli/serving.ts"
import { start } from "./cli/start.ts"

// For `cli/door/compiled.ts`.
export { keeping } from "./cli/commands/gateway/memory.ts"

/** Runs what the door took apart; `false`, and nothing was done, where the whole program has to. */
export const run = (asked: Asked): boolean => start((run) => serving(asked, run))
