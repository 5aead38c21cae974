/**
 * A laptop whose configuration says that its Gateway lies behind a host that only ssh reaches, a real sshd, and whole Gateways.
 */
import * as Fs from "node:fs"
import * as Path from "node:path"
import { env } from "node:process"
import * as Effect from "effect/Effect"
import * as GatewayTest from "../../src/testing/GatewayTest.ts"
import * as Cli from "../cli/kit.ts"
import * as Sshd from "../tunnel/sshd.ts"

export const hasSshd = Sshd.findSync() !== undefined

/** Where commands of this process look for programs. */
export const searched = (): string => env["PATH"] ?? ""
const search = (path: string): void => {
  env["PATH"] = path
}

/** Commands run whichever `ssh` they find, in this process as in any other. */
const found = (program: string, home: string) =>
  Effect.acquireRelease(
    Effect.sync(() => {
      const before = searched()
      const bin = Path.join(home, "bin")
      Fs.mkdirSync(bin)
      Fs.writeFileSync(Path.join(bin, "ssh"), `#!/bin/sh\nPATH='${before}' exec '${program}' "$@"\n`, { mode: 0o700 })
      search(`${bin}:${before}`)
      return before
    }),
    (before) => Effect.sync(() => search(before))
  )

/** `settings` go into `gateway.remote`, over what leads to the Gateway of this test. */
export const laptop = Effect.fnUntraced(function* (settings: Record<string, unknown> = {}) {
  const sshd = yield* Sshd.make
  yield* sshd.start
  const gateway = yield* GatewayTest.GatewayTest
  const home = yield* Cli.home
  const near = yield* Sshd.freePort
  yield* found(sshd.program, home)
  const folder = Path.join(home, ".openclaw")
  Fs.mkdirSync(folder, { mode: 0o700 })
  const usual = { sshTarget: "box", url: `ws://127.0.0.1:${near}`, remotePort: gateway.port, token: gateway.token }
  const configure = (remote: Record<string, unknown>, more: Record<string, unknown> = {}) =>
    Effect.sync(() =>
      Fs.writeFileSync(
        Path.join(folder, "openclaw.json"),
        JSON.stringify({ gateway: { mode: "remote", remote: { ...usual, ...remote }, ...more } }),
        { mode: 0o600 }
      )
    )
  yield* configure(settings)
  /** The ssh processes that were started, and those that run. */
  const started = (): ReadonlyArray<number> =>
    Fs.existsSync(sshd.started) ? Fs.readFileSync(sshd.started, "utf8").split("\n").filter(Boolean).map(Number) : []
  const setting: Cli.Setting = { home }
  return {
    configure,
    folder,
    gateway,
    home,
    near,
    run: (...given: ReadonlyArray<string>) => Cli.run(setting, ...given),
    setting,
    sshd,
    started,
    running: () => started().filter(sshd.runs)
  }
})
