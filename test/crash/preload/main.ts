/**
 * Loaded before the program by `NODE_OPTIONS=--import`: makes its named points passable.
 */
import "./sqlite.ts"
import "./http.ts"
import "./frames.ts"
