/**
 * The page's `index.html` as it is sent: it learns where it is served, its own links begin there, and its inline scripts are
 * the only ones that the browser may run besides files.
 */
import { createHash } from "node:crypto"

/** Everything that the page may load and do; `scripts` are hashes of inline scripts. */
export const contentSecurityPolicy = (scripts: ReadonlyArray<string> = []): string =>
  [
    "default-src 'self'",
    "base-uri 'none'",
    "object-src 'none'",
    "frame-ancestors 'none'",
    "form-action 'self'",
    `script-src ${["'self'", ...scripts.map((hash) => `'${hash}'`), "'wasm-unsafe-eval'"].join(" ")}`,
    "style-src 'self' 'unsafe-inline'",
    "img-src 'self' data: blob:",
    "media-src 'self' data: blob:",
    "font-src 'self' data:",
    "worker-src 'self'",
    "connect-src 'self' ws: wss: data:"
  ].join("; ")

const attribute = (text: string) => text.replaceAll("&", "&amp;").replaceAll('"', "&quot;").replaceAll("<", "&lt;")

const inlineScripts = (html: string): ReadonlyArray<string> =>
  Array.from(html.matchAll(/<script\b([^>]*)>([\s\S]*?)<\/script\s*>/gi))
    .filter(([, attributes = ""]) => !/\ssrc\s*=/i.test(attributes))
    .map(([, , body = ""]) => body)

export interface PageIndex {
  readonly html: string
  readonly etag: string
  readonly policy: string
}

const sha256 = (text: string) => createHash("sha256").update(text, "utf8").digest("base64")

/** `basePath` has no slash at its end. */
export const render = (source: string, basePath: string): PageIndex => {
  const base = attribute(basePath)
  const html = source
    .replace(
      /<html\b/i,
      (tag) => `${tag} data-openclaw-control-ui-base-path="${base}" data-openclaw-terminal-enabled="false"`
    )
    .replace(/\b(src|href)="\.\//g, (_, name: string) => `${name}="${base}/`)
  return {
    html,
    etag: `"${createHash("sha256").update(html, "utf8").digest("base64url").slice(0, 22)}"`,
    policy: contentSecurityPolicy(inlineScripts(html).map((body) => `sha256-${sha256(body)}`))
  }
}
