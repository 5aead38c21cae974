/**
 * A headless Chromium that is driven by its own protocol, for as long as the scope is open.
 */
import { spawn } from "node:child_process"
import * as Fs from "node:fs"
import * as Path from "node:path"
import * as Config from "effect/Config"
import * as Effect from "effect/Effect"
import { WebSocket } from "ws"
import { differs } from "./Results.ts"
import { until } from "./Side.ts"

interface Reply {
  readonly id?: number
  readonly result?: any
  readonly error?: { readonly message: string }
  readonly method?: string
  readonly params?: any
}

export interface Page {
  /** Carries out a command of the protocol. */
  readonly command: (method: string, params?: object) => Effect.Effect<any, ReturnType<typeof differs>>
  /** The value of an expression in the page. */
  readonly evaluate: (expression: string) => Effect.Effect<any, ReturnType<typeof differs>>
  /** Uncaught errors of the page and what it logged as an error. */
  readonly errors: ReadonlyArray<string>
  readonly screenshot: (file: string) => Effect.Effect<void, ReturnType<typeof differs>>
}

const names = ["chromium", "chromium-browser", "google-chrome", "chrome"]

/** The first Chromium on the PATH. */
export const find = Effect.gen(function* () {
  const path = yield* Effect.orDie(Config.String("PATH"))
  return path
    .split(Path.delimiter)
    .flatMap((folder) => names.map((name) => Path.join(folder, name)))
    .find((file) => Fs.existsSync(file))
})

/** Starts it with one empty page. `dir` is its home. */
export const open = Effect.fnUntraced(function* (program: string, dir: string) {
  const path = yield* Effect.orDie(Config.String("PATH"))
  Fs.mkdirSync(dir, { recursive: true })
  yield* Effect.acquireRelease(
    Effect.sync(() =>
      spawn(
        program,
        [
          "--headless=new",
          // A run may be root's, and it opens nothing but pages of this machine.
          "--no-sandbox",
          "--disable-gpu",
          "--disable-dev-shm-usage",
          "--disable-background-networking",
          "--disable-component-update",
          "--no-first-run",
          "--host-resolver-rules=MAP * ~NOTFOUND, EXCLUDE 127.0.0.1",
          "--remote-debugging-port=0",
          "--window-size=1400,1000",
          `--user-data-dir=${dir}`,
          "about:blank"
        ],
        { env: { PATH: path, HOME: dir, LANG: "C.UTF-8" }, stdio: "ignore", detached: true }
      )
    ),
    (child) =>
      Effect.sync(() => {
        if (child.pid !== undefined && child.exitCode === null) process.kill(-child.pid, "SIGKILL")
      })
  )
  const portFile = Path.join(dir, "DevToolsActivePort")
  const port = yield* until(
    "Chromium listens",
    Effect.sync(() => (Fs.existsSync(portFile) ? Fs.readFileSync(portFile, "utf8").split("\n")[0] : undefined)),
    30
  )
  const target = yield* until(
    "Chromium has a page",
    Effect.orElseSucceed(
      Effect.tryPromise(async () => {
        const list = (await (await fetch(`http://127.0.0.1:${port}/json/list`)).json()) as ReadonlyArray<{
          readonly type: string
          readonly webSocketDebuggerUrl: string
        }>
        return list.find(({ type }) => type === "page")
      }),
      () => undefined
    ),
    20
  )
  const socket = yield* Effect.acquireRelease(
    Effect.callback<WebSocket>((resume) => {
      const ws = new WebSocket(target.webSocketDebuggerUrl)
      ws.once("open", () => resume(Effect.succeed(ws)))
      ws.once("error", (error) => resume(Effect.die(error)))
    }),
    (ws) => Effect.sync(() => ws.terminate())
  )
  let last = 0
  const waiting = new Map<number, (reply: Reply) => void>()
  const errors: Array<string> = []
  socket.on("message", (data) => {
    const reply = JSON.parse(String(data)) as Reply
    if (reply.id !== undefined) waiting.get(reply.id)?.(reply)
    if (reply.method === "Runtime.exceptionThrown") {
      const { exception, text } = reply.params.exceptionDetails
      errors.push(exception?.description ?? text)
    }
    if (reply.method === "Runtime.consoleAPICalled" && reply.params.type === "error") {
      errors.push(reply.params.args.map((arg: any) => arg.value ?? arg.description).join(" "))
    }
  })
  const command = (method: string, params: object = {}) =>
    Effect.callback<any, ReturnType<typeof differs>>((resume) => {
      const id = ++last
      waiting.set(id, ({ error, result }) => {
        waiting.delete(id)
        resume(error === undefined ? Effect.succeed(result) : Effect.fail(differs(`${method}: ${error.message}`)))
      })
      socket.send(JSON.stringify({ id, method, params }))
      return Effect.sync(() => waiting.delete(id))
    })
  yield* command("Runtime.enable")
  yield* command("Page.enable")
  return {
    command,
    evaluate: Effect.fnUntraced(function* (expression) {
      const { exceptionDetails, result } = yield* command("Runtime.evaluate", { expression, returnByValue: true })
      if (exceptionDetails !== undefined) return yield* Effect.fail(differs(`in the page: ${result.description}`))
      return result.value
    }),
    errors,
    screenshot: (file) =>
      Effect.map(command("Page.captureScreenshot", { format: "png" }), ({ data }) =>
        Fs.writeFileSync(file, Buffer.from(data, "base64"))
      )
  } satisfies Page
})
