/** Raw HTTP against a Gateway of the test, and a page of a few files. */
import { mkdirSync, mkdtempSync, rmSync, symlinkSync, writeFileSync } from "node:fs"
import { type IncomingHttpHeaders, request as httpRequest } from "node:http"
import { tmpdir } from "node:os"
import { dirname, join } from "node:path"
import { brotliCompressSync, gzipSync } from "node:zlib"
import * as Context from "effect/Context"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import type { OpenClawConfig } from "../../src/services/ConfigSchema.ts"
import * as GatewayTest from "../../src/testing/GatewayTest.ts"
import * as ScriptedModel from "../../src/testing/ScriptedModel.ts"

export interface Answer {
  readonly status: number
  readonly headers: IncomingHttpHeaders
  readonly text: string
  readonly bytes: Buffer
  readonly json: any
}

export interface Ask {
  readonly method?: string
  readonly headers?: Record<string, string>
  readonly body?: unknown
}

const parsed = (text: string): unknown => {
  try {
    return JSON.parse(text)
  } catch {
    return undefined
  }
}

/** The path goes out as it is: nothing normalizes it. */
export const http = (port: number, path: string, { body, headers, method }: Ask = {}) =>
  Effect.callback<Answer>((resume) => {
    const payload =
      body === undefined || typeof body === "string" || Buffer.isBuffer(body) ? body : JSON.stringify(body)
    const sent = httpRequest(
      {
        port,
        host: "127.0.0.1",
        path,
        method: method ?? (body === undefined ? "GET" : "POST"),
        agent: false,
        headers: {
          ...(payload === undefined ? undefined : { "content-length": Buffer.byteLength(payload) }),
          ...headers
        }
      },
      (response) => {
        const pieces: Array<Buffer> = []
        response.on("data", (piece: Buffer) => pieces.push(piece))
        response.on("end", () => {
          const bytes = Buffer.concat(pieces)
          const text = bytes.toString("utf8")
          resume(
            Effect.succeed({
              status: response.statusCode ?? 0,
              headers: response.headers,
              text,
              bytes,
              json: parsed(text)
            })
          )
        })
      }
    )
    sent.on("error", (error) => resume(Effect.die(error)))
    sent.end(payload)
  })

export interface World {
  readonly port: number
  readonly token: string
  readonly kit: GatewayTest.GatewayTest["Service"]
  readonly services: Context.Context<Layer.Success<ReturnType<typeof GatewayTest.layer<never>>>>
  /** With the operator's token. */
  readonly ask: (path: string, ask?: Ask) => Effect.Effect<Answer>
}

export const startWith = Effect.fnUntraced(function* (
  options: GatewayTest.GatewayTestOptions,
  ...script: ScriptedModel.Script
) {
  const services = yield* Layer.build(GatewayTest.layer({ ...options, models: ScriptedModel.layer(script) }))
  const kit = Context.get(services, GatewayTest.GatewayTest)
  const { port, token } = kit
  const world: World = {
    port,
    token,
    kit,
    services,
    ask: (path, ask = {}) => http(port, path, { ...ask, headers: { authorization: `Bearer ${token}`, ...ask.headers } })
  }
  return world
})

export const start = (config: OpenClawConfig, ...script: ScriptedModel.Script) => startWith({ config }, ...script)

const inline = "document.documentElement.dataset.inline = 'ran'"

/** Says on the page what it found out about where it is served. */
const main = `
const base = document.documentElement.dataset.openclawControlUiBasePath
const show = (text) => { document.getElementById("out").textContent += text + ";" }
show("base=" + base)
show("inline=" + document.documentElement.dataset.inline)
const evil = document.createElement("script")
evil.textContent = "document.documentElement.dataset.evil = 'ran'"
document.head.append(evil)
show("evil=" + document.documentElement.dataset.evil)
const token = new URLSearchParams(location.hash.slice(1)).get("token")
const settings = await fetch(base + "/control-ui-config.json", { headers: { authorization: "Bearer " + token } })
show("settings=" + (await settings.json()).assistantAgentId)
const socket = new WebSocket(location.origin.replace("http", "ws") + base)
socket.onmessage = ({ data }) => { show("challenge=" + JSON.parse(data).event); document.title = "done" }
socket.onerror = () => { show("socket failed"); document.title = "done" }
`

/** A folder with a page, gone with the scope. */
export const page = Effect.acquireRelease(
  Effect.sync(() => {
    const top = mkdtempSync(join(tmpdir(), "openclaw-page-"))
    const root = join(top, "ui")
    const put = (name: string, content: string | Buffer) => {
      mkdirSync(dirname(join(root, name)), { recursive: true })
      writeFileSync(join(root, name), content)
    }
    put(
      "index.html",
      `<!doctype html><html lang="en"><head><title>page</title><link rel="icon" href="./favicon.svg"><script>${inline}</script><script type="module" src="./assets/main-0a1b2c3d.js"></script></head><body><p id="out"></p></body></html>`
    )
    put("assets/main-0a1b2c3d.js", main)
    put("assets/main-0a1b2c3d.js.br", brotliCompressSync(main))
    put("assets/main-0a1b2c3d.js.gz", gzipSync(main))
    put("favicon.svg", "<svg xmlns='http://www.w3.org/2000/svg'/>")
    put("big.png", Buffer.alloc(3 * 1024 * 1024, 7))
    put(".hidden.txt", "hidden")
    put("empty.txt", "")
    writeFileSync(join(top, "secret.txt"), "secret")
    symlinkSync(join(top, "secret.txt"), join(root, "link.txt"))
    symlinkSync(join(root, "favicon.svg"), join(root, "inside.svg"))
    symlinkSync(top, join(root, "up"))
    return { root, top }
  }),
  ({ top }) => Effect.sync(() => rmSync(top, { recursive: true, force: true }))
)
