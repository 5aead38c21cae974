/**
 * Files under one folder: which one a URL's path means, and what a browser is told about it.
 *
 * A path is decoded once and then taken part by part; what a part may not be (`..`, hidden, with a backslash or a control
 * character) is nobody's file. Links are followed as long as they stay inside.
 */
import { join, sep } from "node:path"
import * as Effect from "effect/Effect"
import * as FileSystem from "effect/FileSystem"
import * as Option from "effect/Option"
import * as Result from "effect/Result"

const MAX_PATH_LENGTH = 1024

/** The parts of a path, decoded; `undefined` for one that names no file here. */
export const partsOf = (path: string): ReadonlyArray<string> | undefined => {
  if (path.length > MAX_PATH_LENGTH || !path.startsWith("/")) return undefined
  const decoded = Result.getOrUndefined(Result.try(() => decodeURIComponent(path)))
  // eslint-disable-next-line no-control-regex
  if (decoded === undefined || /[\u0000-\u001f\u007f\\]/.test(decoded)) return undefined
  const parts = decoded.slice(1).split("/")
  // The last may be empty, as in `/chat/`; a hidden file and a way up are none.
  const wrong = parts.some((part, index) => part.startsWith(".") || (part === "" && index < parts.length - 1))
  return wrong ? undefined : parts.filter((part) => part !== "")
}

const types: Readonly<Record<string, string>> = {
  html: "text/html; charset=utf-8",
  js: "application/javascript; charset=utf-8",
  mjs: "application/javascript; charset=utf-8",
  css: "text/css; charset=utf-8",
  json: "application/json; charset=utf-8",
  map: "application/json; charset=utf-8",
  webmanifest: "application/manifest+json; charset=utf-8",
  txt: "text/plain; charset=utf-8",
  xml: "application/xml; charset=utf-8",
  svg: "image/svg+xml",
  png: "image/png",
  jpg: "image/jpeg",
  jpeg: "image/jpeg",
  gif: "image/gif",
  webp: "image/webp",
  avif: "image/avif",
  ico: "image/x-icon",
  woff: "font/woff",
  woff2: "font/woff2",
  ttf: "font/ttf",
  otf: "font/otf",
  wasm: "application/wasm",
  mp3: "audio/mpeg",
  mp4: "video/mp4",
  webm: "video/webm",
  pdf: "application/pdf"
}

const extensionOf = (name: string): string => /\.([A-Za-z0-9]+)$/.exec(name)?.[1]?.toLowerCase() ?? ""

/** The content type by the name's ending; `undefined` for a name that need not be a file's. */
export const typeOf = (name: string): string | undefined => {
  const extension = extensionOf(name)
  return Object.hasOwn(types, extension) ? types[extension] : undefined
}

export interface Found {
  /** Where it really is. */
  readonly path: string
  readonly size: number
  readonly modifiedMs: number
}

/** The regular file at these parts under `root`, unless it is elsewhere. */
export const find = Effect.fnUntraced(function* (root: string, parts: ReadonlyArray<string>) {
  const fs = yield* FileSystem.FileSystem
  // A view's address may have one; in a file's it would be a drive or a stream of Windows.
  if (parts.some((part) => part.includes(":"))) return undefined
  const look = Effect.gen(function* () {
    const home = yield* fs.realPath(root)
    const path = yield* fs.realPath(join(home, ...parts))
    if (!path.startsWith(home.endsWith(sep) ? home : `${home}${sep}`)) return undefined
    const info = yield* fs.stat(path)
    if (info.type !== "File") return undefined
    const modified = Option.getOrUndefined(info.mtime)
    return { path, size: Number(info.size), modifiedMs: Math.floor(modified?.getTime() ?? 0) } satisfies Found as Found
  })
  return Option.getOrUndefined(yield* Effect.option(look))
})

/** `br` or `gzip`, the best that the client takes and that lies beside the file. */
export const encodings = (accepted: string): ReadonlyArray<readonly [name: string, suffix: string]> => {
  const weights = new Map(
    accepted.split(",").map((item) => {
      const [name = "", ...params] = item.trim().toLowerCase().split(";")
      const q = params.map((param) => /^\s*q\s*=\s*([\d.]+)\s*$/.exec(param)?.[1]).find((value) => value !== undefined)
      return [name.trim(), q === undefined ? 1 : Number(q)] as const
    })
  )
  const takes = (name: string) => (weights.get(name) ?? 0) > 0
  return [...(takes("br") ? [["br", ".br"] as const] : []), ...(takes("gzip") ? [["gzip", ".gz"] as const] : [])]
}
