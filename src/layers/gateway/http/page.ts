/**
 * The web page of `gateway.controlUi`: its files, its start page for every address that is no file, and its settings.
 */
import * as DateTime from "effect/DateTime"
import * as Effect from "effect/Effect"
import * as FileSystem from "effect/FileSystem"
import * as HttpHeaders from "effect/http/Headers"
import * as Option from "effect/Option"
import { agentsOf, defaultAgentId } from "../../../services/ConfigSchema.ts"
import { Config } from "../../../services/Config.ts"
import type { ControlUiOptions } from "../options.ts"
import { authorize } from "./auth.ts"
import { encodings, find, type Found, partsOf, typeOf } from "./files.ts"
import { contentSecurityPolicy, render } from "./pageIndex.ts"
import {
  begin,
  type Exchange,
  gone,
  type Headers,
  json,
  methodNotAllowed,
  notFound,
  send,
  text,
  write
} from "./respond.ts"

const SETTINGS = "control-ui-config.json"
const CHUNK_BYTES = 64 * 1024
const FOREVER = "public, max-age=31536000, immutable"

/** Addresses under these are files or calls, never views of the page. */
const NO_VIEWS: ReadonlySet<string> = new Set(["api", "assets", "fonts", "tools", "v1"])

const framed: Headers = {
  "x-frame-options": "DENY",
  "permissions-policy": "camera=(self), microphone=(self), geolocation=(), clipboard-write=(self)"
}
const headersOf = (policy: string): Headers => ({ ...framed, "content-security-policy": policy })
const plain = headersOf(contentSecurityPolicy())

const isFresh = ({ request }: Exchange, etag: string, modifiedMs?: number): boolean => {
  const match = request.headers["if-none-match"]
  if (match !== undefined) {
    const bare = etag.replace(/^W\//, "")
    return match.split(",").some((tag) => tag.trim() === "*" || tag.trim().replace(/^W\//, "") === bare)
  }
  const since = Date.parse(request.headers["if-modified-since"] ?? "")
  return modifiedMs !== undefined && Math.floor(modifiedMs / 1000) * 1000 <= since
}

const notModified = ({ response }: Exchange, headers: Headers) => {
  begin(response, 304, headers)
  response.end()
}

/** Writes so many bytes of a file, unless the client goes away. */
const writeFile = Effect.fnUntraced(function* (exchange: Exchange, { path, size }: Found) {
  const { response } = exchange
  const fs = yield* FileSystem.FileSystem
  const file = yield* fs.open(path)
  let left = size
  while (left > 0 && !response.destroyed) {
    const piece = yield* file.readAlloc(Math.min(left, CHUNK_BYTES))
    // A file that shrank: the length was promised, so the answer must not look whole.
    if (Option.isNone(piece)) return void response.destroy()
    left -= piece.value.length
    yield* write(exchange, piece.value)
  }
  return void response.end()
}, Effect.scoped)

const serveFile = Effect.fnUntraced(function* (
  exchange: Exchange,
  root: string,
  parts: ReadonlyArray<string>,
  found: Found
) {
  const { request, response } = exchange
  let sent = found
  let encoding: string | undefined
  for (const [name, suffix] of encodings(String(request.headers["accept-encoding"] ?? ""))) {
    const packed = yield* find(root, [...parts.slice(0, -1), `${parts.at(-1) ?? ""}${suffix}`])
    if (packed === undefined) continue
    sent = packed
    encoding = name
    break
  }
  const etag = `"${sent.size.toString(16)}-${sent.modifiedMs.toString(16)}${encoding === undefined ? "" : `-${encoding}`}"`
  // Files of a build carry a hash of their content in their names.
  const hashed = parts[0] === "assets" && /[-.][A-Za-z0-9_-]{8,}\.[a-z0-9]+$/.test(parts.at(-1) ?? "")
  const headers: Headers = {
    ...plain,
    etag,
    "last-modified": HttpHeaders.formatHttpDate(DateTime.makeUnsafe(found.modifiedMs)),
    "cache-control": hashed ? FOREVER : "no-cache",
    vary: "Accept-Encoding"
  }
  if (isFresh(exchange, etag, found.modifiedMs)) return notModified(exchange, headers)
  begin(response, 200, {
    ...headers,
    "content-type": typeOf(parts.at(-1) ?? "") ?? "application/octet-stream",
    "content-length": sent.size,
    ...(encoding === undefined ? undefined : { "content-encoding": encoding })
  })
  if (request.method === "HEAD") return void response.end()
  return yield* Effect.raceFirst(writeFile(exchange, sent), gone(exchange))
})

const serveIndex = Effect.fnUntraced(function* (exchange: Exchange, { basePath, root }: ControlUiOptions) {
  const fs = yield* FileSystem.FileSystem
  const found = yield* find(root, ["index.html"])
  if (found === undefined) {
    return text(exchange.response, 503, "There is no index.html in gateway.controlUi.root.", plain)
  }
  const { etag, html, policy } = render(yield* fs.readFileString(found.path), basePath)
  const headers: Headers = { ...headersOf(policy), etag, "cache-control": "no-cache" }
  if (isFresh(exchange, etag)) return notModified(exchange, headers)
  return send(exchange.response, 200, html, { ...headers, "content-type": "text/html; charset=utf-8" })
})

/** What the page wants to know of this Gateway. Features that it asks for and that are not here are off. */
const serveSettings = Effect.fnUntraced(function* (exchange: Exchange, basePath: string, version: string) {
  if ((yield* authorize(exchange, { deviceTokens: true })) === undefined) return
  const config = yield* Effect.orDie((yield* Config).get)
  const agentId = defaultAgentId(config)
  const name = agentsOf(config).find(({ id }) => id === agentId)?.name ?? "Assistant"
  json(exchange.response, 200, {
    basePath,
    assistantName: name,
    assistantAvatar: Array.from(name)[0] ?? "A",
    assistantAvatarSource: null,
    assistantAvatarStatus: null,
    assistantAvatarReason: null,
    assistantAgentId: agentId,
    serverVersion: version,
    embedSandbox: "strict",
    allowExternalEmbedUrls: false,
    automaticallyFetchFavicons: false,
    communityInvite: false,
    terminalEnabled: false,
    cliAgentsEnabled: false,
    pluginAssetsRequireAuth: true,
    pluginFrameGrants: []
  })
})

/** Answers what no other route took. */
export const handle = Effect.fn("Http.page")(function* (exchange: Exchange, page: ControlUiOptions, version: string) {
  const { path, request, response } = exchange
  const { basePath, root } = page
  if (path === basePath && basePath !== "") {
    begin(response, 302, { location: `${basePath}/`, "content-length": 0 })
    return void response.end()
  }
  if (!path.startsWith(`${basePath}/`)) return notFound(exchange)
  if (request.method !== "GET" && request.method !== "HEAD") return methodNotAllowed(exchange, "GET, HEAD")
  const parts = partsOf(path.slice(basePath.length))
  if (parts === undefined) return notFound(exchange, plain)
  if (parts.length === 1 && parts[0] === SETTINGS) return yield* serveSettings(exchange, basePath, version)
  if (parts.length === 0 || (parts.length === 1 && parts[0] === "index.html")) return yield* serveIndex(exchange, page)
  const found = yield* find(root, parts)
  if (found !== undefined) return yield* serveFile(exchange, root, parts, found)
  const isView = typeOf(parts.at(-1) ?? "") === undefined && !NO_VIEWS.has(parts[0] ?? "")
  return isView ? yield* serveIndex(exchange, page) : notFound(exchange, plain)
})
