/**
 * What a running Gateway does about a change of the configuration. Pure.
 */
import * as Result from "effect/Result"
import { getAt, isWithin, parsePath } from "./path.ts"

/**
 * `restart`: read once, at the start. `hot`: what runs by it is started anew. `none`: looked up each time that it is needed,
 * so the change simply holds from then on.
 */
export type ReloadKind = "restart" | "hot" | "none"

/** Read once, when a Gateway starts. */
const READ_AT_START = [
  "gateway.port",
  "gateway.bind",
  "gateway.customBindHost",
  "gateway.publicOrigin",
  "gateway.tls",
  "gateway.auth",
  "gateway.trustedProxies",
  "gateway.allowRealIpFallback",
  "gateway.tailscale",
  "gateway.controlUi",
  "logging"
]
/** Channel accounts that are run by other settings are started anew. */
const STARTED_ANEW = ["channels.telegram"]

const concerns = (path: string, keys: ReadonlyArray<string>): boolean =>
  path === "" || keys.some((key) => isWithin(key, path) || isWithin(path, key))

/** Of one dotted path. A section is as much as the most that is in it. */
export const reloadKindOf = (path: string): ReloadKind =>
  concerns(path, READ_AT_START) ? "restart" : concerns(path, STARTED_ANEW) ? "hot" : "none"

/** Of a whole change. */
export const needsRestart = (paths: ReadonlyArray<string>): boolean =>
  paths.some((path) => reloadKindOf(path) === "restart")

/** What a Gateway that started by this tree goes by until it starts anew; equal texts for equal answers. */
export const startedBy = (tree: unknown): string =>
  JSON.stringify(
    READ_AT_START.map(
      (path) =>
        Result.getOrElse(
          Result.map(parsePath(path), (at) => getAt(tree, at)),
          () => null
        ) ?? null
    )
  )
