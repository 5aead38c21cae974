/**
 * A tunnel that is kept by a process of its own.
 */
import { type ChildProcess, spawn } from "node:child_process"
import * as Fs from "node:fs"
import * as Clock from "effect/Clock"
import * as Effect from "effect/Effect"
import * as FileSystem from "effect/FileSystem"
import * as Option from "effect/Option"
import * as Files from "../../../client/tunnel/sharedFiles.ts"
import { type Found, look } from "../../../client/tunnel/sharedLook.ts"
import { StateDir } from "../../../services/StateDir.ts"
import { TunnelHolderSilent, type TunnelSpec } from "../../../services/TunnelManager.ts"
import { Environment } from "../../Environment.ts"
import { CommandFailed, withFix } from "../../errors.ts"
import { Password, TlsFingerprint, Token } from "../../globals.ts"
import { fields, print, shortId } from "../../output.ts"
import { waiting } from "../../progress.ts"
import * as State from "../../state.ts"
import { HOLDER } from "./holder.ts"
import { foundDocument } from "./show.ts"
import { specOf, type Wanted } from "./spec.ts"

const PATIENCE_MS = 60_000
const LOOK_EVERY = "100 millis"

const failed = (message: string) => new CommandFailed({ message })

/** Starts the process in a session of its own: it outlives this one and its terminal. What it says goes to the tunnel's log. */
const start = Effect.fnUntraced(function* (spec: TunnelSpec, log: string) {
  const { entry, execPath, variables } = yield* Environment
  const { configFile, root } = yield* State.plan
  const identity = spec.identityFile === undefined ? [] : ["--identity", spec.identityFile]
  const pin = Option.match(yield* TlsFingerprint, { onNone: () => [], onSome: (text) => ["--tls-fingerprint", text] })
  const ports = ["--local-port", String(spec.localPort), "--remote-port", String(spec.remotePort)]
  return yield* Effect.acquireRelease(
    Effect.try({
      try: () => {
        const output = Fs.openSync(log, "a", 0o600)
        const child = spawn(
          execPath,
          [entry, "tunnel", "up", spec.target, ...ports, "--host-key-policy", spec.hostKeyPolicy, ...identity, ...pin],
          {
            detached: true,
            stdio: ["ignore", "ignore", output],
            env: {
              ...variables,
              OPENCLAW_STATE_DIR: root,
              OPENCLAW_CONFIG_PATH: configFile,
              OPENCLAW_PROFILE: undefined
            }
          }
        )
        // It would be a defect otherwise; that the process is not there is seen below.
        child.on("error", () => {})
        Fs.closeSync(output)
        return child
      },
      catch: (error) =>
        failed(
          `the tunnel's process could not be started: ${error instanceof Error ? error.message : ""}\nFix: start it without --background.`
        )
    }),
    (child) => Effect.sync(() => child.unref())
  )
})

const lastWords = (log: string) =>
  Effect.flatMap(FileSystem.FileSystem, (fs) => fs.readFileString(log)).pipe(
    Effect.orElseSucceed(() => ""),
    Effect.map((text) => text.trimEnd().split("\n").slice(-3).join("\n"))
  )

/** Why it is not up yet, where somebody said. */
const reason = (found: Found | undefined): string => {
  const state = found?.status.state
  return state === undefined || state._tag === "Up" || state.error === undefined
    ? "ssh is not ready."
    : state.error.message
}

/** The `openclaw tunnel up` that keeps the tunnel, whoever holds it. */
const keeperPid = (key: string) =>
  Effect.flatMap(StateDir, (state) => state.holder(Files.keeperOf(key))).pipe(Effect.orElseSucceed(() => undefined))

/** Waits until it is up, or its process ended for good. */
const settled = Effect.fnUntraced(function* (
  key: string,
  child: ChildProcess | undefined,
  log: string,
  timeoutMs: number
) {
  const begun = yield* Clock.currentTimeMillis
  for (;;) {
    const isRunning = child?.pid !== undefined && child.exitCode === null && child.signalCode === null
    const found = yield* look(key)
    // One that stands by is there when `down` finds it.
    const isKept = child === undefined || found?.status.pid === child.pid || (yield* keeperPid(key)) !== undefined
    if (found?.how === "held" && found.status.state._tag === "Up" && isKept) return found
    if (found?.how === "stopped" && !isRunning && found.status.state._tag === "Stopped") {
      return yield* found.status.state.error
    }
    if (!isRunning && found?.how !== "held") {
      return yield* failed(
        `the tunnel's process ended (${child?.exitCode ?? child?.signalCode ?? "not started"}).\n${yield* lastWords(log)}\nFix: start it without --background to see more.`
      )
    }
    if ((yield* Clock.currentTimeMillis) - begun >= timeoutMs) {
      return yield* failed(
        withFix(
          `the tunnel is not up after ${timeoutMs} ms, and goes on trying until \`openclaw tunnel down\`. ${reason(found)}`,
          "`openclaw tunnel status` shows how it stands."
        ).message
      )
    }
    yield* Effect.sleep(LOOK_EVERY)
  }
})

const report = (found: Found, already: boolean) => {
  const { localPort, pid, program, state, target } = found.status
  const gateway = state._tag === "Up" ? state.gateway : undefined
  return print({ ok: true, already, ...foundDocument(found) }, () =>
    fields([
      ["Tunnel", `${target}, up${already ? ", as it was kept already" : ""}`],
      ["Near end", `127.0.0.1:${localPort}`],
      ["Gateway", gateway === undefined ? undefined : shortId(gateway)],
      ["Kept by", `pid ${pid} (${program})`],
      ["End it", "openclaw tunnel down"]
    ])
  )
}

/** Returns when it is up; fails when it cannot come up, or not in time. One that is kept already is left as it is. */
export const background = Effect.fn("cli.tunnel.background")(
  function* (flags: Wanted & { readonly timeout: number | undefined }) {
    if (Option.isSome(yield* Token) || Option.isSome(yield* Password)) {
      return yield* failed(
        "--token and --password would stand in the other process's arguments, where every user of this machine reads them.\nFix: set gateway.remote.token (or OPENCLAW_GATEWAY_TOKEN), or leave out --background."
      )
    }
    const spec = yield* specOf(flags)
    const key = Files.keyOf(spec)
    const before = yield* look(key)
    if (before?.how === "silent") {
      return yield* new TunnelHolderSilent({ target: spec.target, pid: before.status.pid })
    }
    const state = yield* StateDir
    // One that another program keeps for itself ends with that, so a process of its own stands by.
    const isKept = (yield* keeperPid(key)) !== undefined || (before?.how === "held" && before.status.program === HOLDER)
    const fs = yield* FileSystem.FileSystem
    yield* fs.makeDirectory(state.path(Files.FOLDER), { recursive: true, mode: 0o700 })
    const log = state.path(Files.logOf(key))
    const child = isKept ? undefined : yield* start(spec, log)
    const found = yield* settled(key, child, log, flags.timeout ?? PATIENCE_MS).pipe(
      waiting(`Opening the tunnel to ${spec.target}`)
    )
    yield* report(found, isKept)
  },
  Effect.scoped,
  Effect.provide(State.stateDir)
)
