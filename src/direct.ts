/**
 * The binary's short way, a bundle of its own: it holds nothing but the commands that run without the command tree.
 */
import { directly } from "./cli/direct.ts"
import type { Asked } from "./cli/door/parse.ts"
import { start } from "./cli/start.ts"

/** Runs what the door took apart; `false`, and nothing was done, where the whole program has to. */
export const run = (asked: Asked): boolean => start((run) => directly(asked, run))
