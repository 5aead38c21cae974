/**
 * Loaded before the program by `NODE_OPTIONS=--import=file://…/main.ts?folder=…`: makes its named points passable.
 */
import "./sqlite.ts"
import "./http.ts"
import "./frames.ts"
import { begin } from "./points.ts"

const { searchParams } = new URL(import.meta.url)
begin(searchParams.get("folder") ?? ".", searchParams.has("list"))
