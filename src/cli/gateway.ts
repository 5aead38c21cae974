/**
 * How commands reach a Gateway: which one, with which credentials, and one connection for as long as the command asks.
 */
import * as Clock from "effect/Clock"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as FileSystem from "effect/FileSystem"
import * as Option from "effect/Option"
import * as Predicate from "effect/Predicate"
import * as Redacted from "effect/Redacted"
import { resolveTarget, RUNNING, type Target } from "../client/credentials.ts"
import * as BriefClient from "../client/BriefClient.ts"
import type { Reached } from "../client/reach.ts"
import { reached } from "./tunnel.ts"
import { isLoopback } from "../domain/Endpoint.ts"
import { VERSION } from "../domain/Version.ts"
import { Redactor } from "../layers/logging/Redactor.ts"
import { LOCK_FILE } from "../layers/StateDir.ts"
import { GatewayError } from "../protocol/GatewayError.ts"
import type { OperatorScope } from "../protocol/Role.ts"
import { Config } from "../services/Config.ts"
import { StateDir } from "../services/StateDir.ts"
import { Environment } from "./Environment.ts"
import { connection } from "./globals.ts"
import { plain } from "./output.ts"
import { ownCertificate } from "./ownCertificate.ts"
import { waiting } from "./progress.ts"
import * as State from "./state.ts"
import { unresolvedSecrets } from "./unresolved.ts"

/** The Gateway process that owns the state directory, where one does. Makes nothing that is not there. */
export const owner = Effect.gen(function* () {
  const fs = yield* FileSystem.FileSystem
  const { root } = yield* State.plan
  if (!(yield* fs.exists(`${root}/${LOCK_FILE}`))) return Option.none()
  return yield* Effect.flatMap(StateDir, (state) => state.owner).pipe(Effect.provide(State.stateDir))
}).pipe(Effect.orElseSucceed(() => Option.none()))

interface Asked {
  /** Where this machine's Gateway listens right now, where that is known. */
  readonly running?: string | undefined
  /** For `openclaw node run`. */
  readonly node?: boolean
}

const find = Effect.fnUntraced(function* ({ node, running }: Asked) {
  const { home, variables } = yield* Environment
  const flags = yield* connection
  // An address given outright never looks at the file, so a broken file does not stand in its way.
  const given = flags.url ?? variables["OPENCLAW_GATEWAY_URL"]?.trim()
  const { config, unresolved } =
    given === undefined || given === ""
      ? yield* Effect.all({ config: Effect.flatMap(Config, ({ get }) => get), unresolved: unresolvedSecrets }).pipe(
          Effect.provide(State.config)
        )
      : { config: {}, unresolved: [] }
  const { defaultPort } = yield* State.plan
  const found = yield* Effect.fromResult(
    resolveTarget({
      flags,
      env: variables,
      config,
      unresolved,
      home,
      node,
      defaultPort,
      running,
      ownCertificate: yield* ownCertificate(config)
    })
  )
  const redactor = yield* Effect.serviceOption(Redactor)
  if (Option.isSome(redactor)) yield* redactor.value.add(found.credentials.map(({ secret }) => Redacted.value(secret)))
  return found
})

/** The Gateway that flags, environment and configuration name. Decided before anything is dialled. */
export const target = Effect.suspend(() => find({}))

/** The same as `openclaw node run` means it. */
export const targetOfNode = Effect.suspend(() => find({ node: true }))

/**
 * The same, but where no address was given outright the Gateway that owns the state directory is meant, at the address that it
 * listens on, whatever the configuration says of the next one.
 */
export const runningTarget = Effect.flatMap(owner, (found) => find({ running: Option.getOrUndefined(found)?.url }))

const OWN: ReadonlySet<string> = new Set(["OPENCLAW_GATEWAY_PORT", "gateway.port", RUNNING])

/** Whether what named the address means this machine's own Gateway. */
export const isOwn = ({ source }: Pick<Target, "source">): boolean => OWN.has(source)

/** Who runs the Gateway of a target, where that is this machine's own and runs. */
export const ownerOf = ({ source }: Target) =>
  source === "gateway.port" || source === RUNNING ? owner : Effect.succeedNone

export interface OpenOptions {
  /** The least that the command's methods need. */
  readonly scopes: ReadonlyArray<OperatorScope>
  readonly mode?: "cli" | "probe"
  readonly timeoutMs: number
  /** The Gateway that runs is meant, also where the configuration says another address by now. */
  readonly running?: boolean
}

/** Key and tokens of this machine's device, and whose tokens those are. */
const proofFor = Effect.fnUntraced(function* (to: Target) {
  const [identity, tokens] = yield* Effect.promise(() =>
    Promise.all([import("../client/DeviceIdentity.ts"), import("../client/DeviceTokens.ts")])
  )
  return yield* Effect.all({
    device: identity.load,
    tokens: tokens.make,
    issuer: Effect.succeed(tokens.issuerOf(to))
  }).pipe(Effect.provide(State.stateDir))
})

/**
 * As whom to connect. A Gateway on this machine knows the CLI by its secret alone; from afar the CLI proves the device identity
 * of its state directory, and keeps the token that the Gateway issues for it.
 */
const introduction = Effect.fnUntraced(function* (to: Target, gate: Reached["gate"], options: OpenOptions) {
  const proof = isLoopback(to.endpoint) ? undefined : yield* proofFor(to)
  const timeout = Duration.millis(options.timeoutMs)
  return {
    endpoint: to.endpoint,
    gate,
    tlsFingerprint: to.tlsFingerprint,
    credentials: to.credentials,
    client: { id: "cli", mode: options.mode ?? "cli", version: VERSION, platform: process.platform },
    scopes: options.scopes,
    device: proof?.device,
    deviceTokens: to.storedTokens ? proof?.tokens : undefined,
    issuer: proof?.issuer,
    minProtocol: options.mode === "probe" ? 3 : undefined,
    connectTimeout: timeout,
    callTimeout: timeout
  } satisfies BriefClient.BriefOptions
})

/** Connects for the rest of the caller's scope, for a few questions. */
export const openAt = Effect.fnUntraced(function* (to: Target, gate: Reached["gate"], options: OpenOptions) {
  const started = yield* Clock.currentTimeMillis
  const client = yield* BriefClient.make(yield* introduction(to, gate, options))
  return { client, target: to, latencyMs: (yield* Clock.currentTimeMillis) - started }
})

/** The same to the Gateway that is meant, by the tunnel that it lies behind. */
export const open = Effect.fn("cli.open")(function* (options: OpenOptions) {
  const to = yield* options.running === true ? runningTarget : target
  const { gate } = yield* reached(to, { timeout: options.timeoutMs })
  return yield* openAt(to, gate, options)
})

/** The same with events, and with what answers more than once. */
export const openWhole = Effect.fn("cli.openWhole")(function* (options: OpenOptions) {
  const to = yield* options.running === true ? runningTarget : target
  const { gate } = yield* reached(to, { timeout: options.timeoutMs })
  const { GatewayClient } = yield* Effect.promise(() => import("../client/GatewayClient.ts"))
  return { client: yield* GatewayClient.make(yield* introduction(to, gate, options)), target: to }
})

type Opened = Effect.Success<ReturnType<typeof open | typeof openWhole>>

/** Why a connection that stands may still lack a scope, where more is known than that it does. */
const reasonOf = ({ client, target }: Opened, error: GatewayError): string | undefined => {
  const { auth, server } = client.hello
  if (auth.scopes.length === 0) {
    return isLoopback(target.endpoint)
      ? `the Gateway counts this connection as remote, although ${target.endpoint} is on this machine. A proxy in between that adds forwarding headers (X-Forwarded-For and the like) does that.\nFix: connect to the Gateway's own port instead of the proxy's.`
      : undefined
  }
  return Predicate.hasProperty(error.details, "missingScope") && error.details.missingScope === "operator.admin"
    ? `a Gateway asks for that scope for every method that it does not have, and the one at ${target.endpoint} has version ${plain(server.version)}.\nFix: look whether that Gateway can do this (\`openclaw gateway call <method>\` says "unknown method" when it cannot); a Gateway of this program, version ${VERSION}, can.`
    : undefined
}

/**
 * On this machine the Gateway's secret alone gives the scopes that are asked for. A Gateway that let us in and gave none
 * takes us for somebody from afar, and one of another version may ask for more than a command does: "missing scope"
 * alone would send people looking for another secret.
 */
export const explainRemote =
  (opened: Opened) =>
  <A, E, R>(effect: Effect.Effect<A, E, R>) =>
    Effect.mapError(effect, (error) => {
      if (!(error instanceof GatewayError) || error.code !== "FORBIDDEN") return error
      const reason = reasonOf(opened, error)
      return reason === undefined
        ? error
        : new GatewayError({
            code: error.code,
            details: error.details,
            retryable: error.retryable,
            retryAfterMs: error.retryAfterMs,
            message: `${error.message}: ${reason}`
          })
    })

/** One connection for one exchange. A terminal shows that it waits. */
export const ask = <A, E, R>(
  options: OpenOptions & { readonly waitingFor?: string | (() => string) },
  use: (client: BriefClient.BriefClient) => Effect.Effect<A, E, R>
) =>
  Effect.scoped(Effect.flatMap(open(options), (opened) => use(opened.client).pipe(explainRemote(opened)))).pipe(
    waiting(options.waitingFor ?? "Waiting for the Gateway")
  )
