/**
 * A Gateway as its users run it: `openclaw gateway run` in a process of its own.
 */
import { type ChildProcess, spawn } from "node:child_process"
import * as Fs from "node:fs"
import * as Os from "node:os"
import * as Path from "node:path"
import { fileURLToPath } from "node:url"
import * as Effect from "effect/Effect"
import * as Schema from "effect/Schema"
import { GatewayClient } from "../../src/client/GatewayClient.ts"
import type { ConnectOptions } from "../../src/client/Connect.ts"
import { token } from "../../src/domain/Credential.ts"
import { loopback } from "../../src/domain/Endpoint.ts"
import type { OpenClawConfig } from "../../src/services/ConfigSchema.ts"

export const secret = "a-secret-of-this-test"
const binary = fileURLToPath(new URL("../../bin/openclaw.js", import.meta.url))
const decodeReady = Schema.decodeUnknownSync(Schema.fromJsonString(Schema.Struct({ port: Schema.Int })))

/** A state directory with a configuration, until the scope closes. */
export const makeState = (config: OpenClawConfig) =>
  Effect.acquireRelease(
    Effect.sync(() => {
      const dir = Fs.mkdtempSync(Path.join(Os.tmpdir(), "openclaw-process-"))
      const content = { ...config, gateway: { mode: "local", auth: { mode: "token", token: secret } } }
      Fs.writeFileSync(Path.join(dir, "openclaw.json"), JSON.stringify(content), { mode: 0o600 })
      return dir
    }),
    (dir) => Effect.sync(() => Fs.rmSync(dir, { recursive: true, force: true }))
  )

const ended = (child: ChildProcess) =>
  Effect.callback<number | null>((resume) => {
    if (child.exitCode !== null || child.signalCode !== null) return resume(Effect.succeed(child.exitCode))
    child.once("exit", (code) => resume(Effect.succeed(code)))
  })

/** Starts it on a state directory and waits until it listens. */
export const startProcess = Effect.fnUntraced(function* (dir: string) {
  const child = yield* Effect.acquireRelease(
    Effect.sync(() =>
      spawn(process.execPath, [binary, "gateway", "run", "--port", "0", "--json"], {
        stdio: ["ignore", "pipe", "pipe"],
        env: { HOME: dir, OPENCLAW_STATE_DIR: dir }
      })
    ),
    (spawned) =>
      Effect.andThen(
        Effect.sync(() => spawned.kill("SIGKILL")),
        ended(spawned)
      )
  )
  let log = ""
  child.stderr.on("data", (chunk: Buffer) => (log += chunk.toString()))
  const port = yield* Effect.callback<number>((resume) => {
    let out = ""
    child.stdout.on("data", (chunk: Buffer) => {
      out += chunk.toString()
      if (out.includes("\n")) resume(Effect.sync(() => decodeReady(out.slice(0, out.indexOf("\n"))).port))
    })
    child.once("exit", (code) => resume(Effect.die(`the Gateway ended with ${code}: ${log}`)))
  })
  return {
    port,
    connect: (options: Partial<ConnectOptions> = {}) =>
      GatewayClient.make({
        endpoint: loopback(port),
        client: { id: "cli", mode: "cli", version: "1.0.0", platform: "test" },
        scopes: ["operator.admin"],
        credentials: [token(secret)],
        ...options
      }),
    signal: (name: NodeJS.Signals) => Effect.sync(() => void child.kill(name)),
    /** The exit code; `null` when a signal ended it. */
    ended: ended(child),
    log: () => log
  }
})

export type GatewayProcess = Effect.Success<ReturnType<typeof startProcess>>
