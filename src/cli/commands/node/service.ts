/**
 * The node as a service: `openclaw node install` and what follows from it.
 */
import * as Effect from "effect/Effect"
import * as Option from "effect/Option"
import { Password, TlsFingerprint, Token, Url } from "../../globals.ts"
import { fields, print } from "../../output.ts"
import { tell } from "../../errors.ts"
import * as Install from "../../service/install.ts"
import * as Lifecycle from "../../service/lifecycle.ts"
import { serviceManager } from "../../service/manager.ts"
import { done } from "../../service/report.ts"
import { asking } from "../../service/managed.ts"
import { serviceNotes, serviceRows, serviceStatus } from "../../service/status.ts"

interface InstallFlags {
  readonly host: string | undefined
  readonly port: number | undefined
  readonly tls: boolean
  readonly displayName: string | undefined
  readonly force: boolean
  readonly timeout: number
}

const option = (name: string, value: string | number | undefined): ReadonlyArray<string> =>
  value === undefined ? [] : [`--${name}`, String(value)]

/** Runs the node from now on. What it is shown to the Gateway is kept where other users cannot read it. */
export const install = Effect.fn("cli.node.install")(function* (flags: InstallFlags) {
  const secrets = [
    ["OPENCLAW_GATEWAY_URL", yield* Url],
    ["OPENCLAW_GATEWAY_TOKEN", yield* Token],
    ["OPENCLAW_GATEWAY_PASSWORD", yield* Password]
  ] as const
  const variables = Object.fromEntries(
    secrets.flatMap(([name, value]) => (Option.isSome(value) ? [[name, value.value]] : []))
  )
  const args = [
    "node",
    "run",
    ...option("host", flags.host),
    ...option("port", flags.port),
    ...(flags.tls ? ["--tls"] : []),
    ...option("tls-fingerprint", Option.getOrUndefined(yield* TlsFingerprint)),
    ...option("display-name", flags.displayName)
  ]
  const { force, timeout } = flags
  yield* Install.install({ kind: "node", args, force, timeout, variables }, Effect.void)
}, Effect.provide(serviceManager))

export const uninstall = Effect.fn("cli.node.uninstall")(function* () {
  yield* Lifecycle.uninstall("node")
}, Effect.provide(serviceManager))

export const start = Effect.fn("cli.node.start")(function* (flags: { readonly timeout: number }) {
  yield* Lifecycle.start("node", flags.timeout)
}, Effect.provide(serviceManager))

export const stop = Effect.fn("cli.node.stop")(function* () {
  const stopped = yield* Lifecycle.stopService("node")
  const result = stopped ? "stopped" : "not-running"
  yield* done("node", { action: "stop", result, words: stopped ? "stopped" : "does not run" })
}, Effect.provide(serviceManager))

export const restart = Effect.fn("cli.node.restart")(function* (flags: { readonly timeout: number }) {
  yield* Lifecycle.restart("node", flags.timeout)
}, Effect.provide(serviceManager))

/** Exit code 0 also when no service is installed. */
export const status = Effect.fn("cli.node.status")(function* () {
  const service = yield* asking(serviceStatus("node"))
  yield* print({ service }, () => fields(serviceRows(service)))
  for (const note of serviceNotes(service)) yield* tell(note)
})
