/**
 * From an endpoint to an authenticated connection: which credential is shown, and what is remembered of the answer.
 */
import * as Context from "effect/Context"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import * as Scope from "effect/Scope"
import { type Credential, deviceToken, reveal } from "../domain/Credential.ts"
import { type Endpoint, isEncrypted, isLoopback } from "../domain/Endpoint.ts"
import type { TlsFingerprint } from "../domain/TlsFingerprint.ts"
import type { HelloOk } from "../protocol/Connect.ts"
import type { StateDirUnusable } from "../services/StateDir.ts"
import type { TunnelError } from "../services/TunnelManager.ts"
import type { DeviceTokens, Issuer, StoredToken, TokenKey } from "./DeviceTokens.ts"
import {
  ConnectionClosed,
  type ConnectError,
  GatewayUnreachable,
  HandshakeRejected,
  type TunnelTimeout
} from "./errors.ts"
import { question } from "./gatewayProof.ts"
import { handshake, type Introduction } from "./Handshake.ts"
import { type Connection, open } from "./Socket.ts"

/** The near end of a tunnel that stands. */
export interface Passage {
  /** Is dialled instead of the configured one: the port may be another. */
  readonly endpoint: Endpoint
  /** The `deviceId` that whoever answers has to prove before anything is shown; left out where that Gateway proves nothing. */
  readonly gateway?: string | undefined
  /** Whether that tunnel still stands. Asked right before anything is said: the near end of one that ended is anybody's. */
  readonly stands?: Effect.Effect<boolean> | undefined
  /** Waits until it does not. */
  readonly lost?: Effect.Effect<void> | undefined
}

/** The introduction, with what may be left out of it, and how to go about it. */
export interface ConnectOptions extends Omit<Introduction, "credentials" | "role" | "scopes"> {
  readonly endpoint: Endpoint
  /** Waited for before the endpoint is dialled, however long it takes: until its tunnel stands. */
  readonly gate?: Effect.Effect<Passage | void, TunnelError | TunnelTimeout> | undefined
  /** Of the Gateway's certificate. With it that certificate is the only one that counts, without it authorities vouch. */
  readonly tlsFingerprint?: TlsFingerprint | undefined
  /** `operator` when left out. */
  readonly role?: "operator" | "node" | undefined
  /** Scopes to ask for. Left out: those that a stored device token was granted, else none. */
  readonly scopes?: ReadonlyArray<string> | undefined
  /** At most one of each kind. Without any, a stored device token is used when there is one. */
  readonly credentials?: ReadonlyArray<Credential> | undefined
  /** Where device tokens are kept. Left out: none is used or stored, as for an endpoint given by `--url`. */
  readonly deviceTokens?: DeviceTokens | undefined
  /** Whose device tokens those are, as `issuerOf` says it; the endpoint's when left out, which is no tunnel's near end then. */
  readonly issuer?: Issuer | undefined
  /** One deadline from dialling to `hello-ok`, a second try with the stored token included; 15 seconds when left out. */
  readonly connectTimeout?: Duration.Input | undefined
}

/** How a socket is opened. A test kit puts what it likes in between. */
export const Dialer = Context.Reference<typeof open>("openclaw/client/Dialer", { defaultValue: () => open })

export interface Connected {
  readonly connection: Connection
  readonly hello: HelloOk
}

const tunnelEnded = new ConnectionClosed({ code: 1006, reason: "the tunnel that it went through ended" })

/** Nothing is said on a connection to a near end that is no longer the tunnel's. */
const fenced = (connection: Connection, stands: Passage["stands"]): Connection =>
  stands === undefined
    ? connection
    : {
        ...connection,
        send: (text) => Effect.flatMap(stands, (still) => (still ? connection.send(text) : Effect.fail(tunnelEnded)))
      }

/** One attempt. A failed one leaves no socket behind; a good one lives as long as the caller's scope. */
const attempt = Effect.fnUntraced(function* (
  { endpoint, gateway, stands }: Passage,
  tlsFingerprint: TlsFingerprint | undefined,
  who: Introduction
) {
  const outer = yield* Effect.scope
  const scope = yield* Scope.fork(outer)
  const dial = yield* Dialer
  return yield* Effect.gen(function* () {
    if (gateway === undefined) {
      const connection = yield* dial(endpoint, tlsFingerprint)
      return { connection, hello: yield* handshake(fenced(connection, stands), who) }
    }
    const { headers, nonce: clientNonce } = yield* question
    const connection = yield* dial(endpoint, tlsFingerprint, headers)
    const hello = yield* handshake(fenced(connection, stands), who, { endpoint, deviceId: gateway, clientNonce })
    return { connection, hello }
  }).pipe(
    Scope.provide(scope),
    Effect.onError((cause) => Scope.close(scope, Exit.failCause(cause)))
  )
})

/** One deadline for all attempts of one connect. */
const within = (endpoint: Endpoint, timeout: Duration.Input) => {
  const duration = Duration.fromInputUnsafe(timeout)
  const detail = `no hello-ok within ${Duration.toMillis(duration)} ms`
  return <A, E, R>(effect: Effect.Effect<A, E, R>) =>
    Effect.timeoutOrElse(effect, {
      duration,
      orElse: () => Effect.fail(new GatewayUnreachable({ endpoint, reason: "timeout", detail }))
    })
}

/** A store that fails costs a pairing prompt at most, never the connection. */
const orWarn = <A>(effect: Effect.Effect<A, StateDirUnusable>, doing: string): Effect.Effect<A | undefined> =>
  Effect.catch(effect, (error) => Effect.as(Effect.logWarning(`${doing}: ${error.message}`), undefined))

const mismatch = (error: ConnectError, code: string): boolean =>
  error._tag === "HandshakeRejected" && error.detailCode === code

/**
 * Connects and authenticates. Explicit credentials come first. When the Gateway says that the shared secret is wrong but
 * a device token would do, the stored one is tried once, on an encrypted or loopback connection only. A device token
 * that the Gateway issues is stored; one that it no longer accepts is forgotten.
 */
export const connect: (options: ConnectOptions) => Effect.Effect<Connected, ConnectError, Scope.Scope> = Effect.fn(
  "GatewayClient.connect"
)(function* (options) {
  const { device, deviceTokens, endpoint } = options
  let passage: Passage = { endpoint }
  const greet = (who: Introduction) => Effect.suspend(() => attempt(passage, options.tlsFingerprint, who))
  const role = options.role ?? "operator"
  const explicit = options.credentials ?? []
  const key: TokenKey | undefined =
    device === undefined ? undefined : { issuer: options.issuer ?? endpoint, deviceId: device.id, role }

  const stored =
    deviceTokens === undefined || key === undefined
      ? undefined
      : yield* orWarn(deviceTokens.get(key), "the stored device token could not be read")

  const introduce = (credentials: ReadonlyArray<Credential>, granted: StoredToken | undefined): Introduction => ({
    ...options,
    role,
    scopes: options.scopes ?? granted?.scopes ?? [],
    credentials
  })
  const remember = Effect.fnUntraced(function* (hello: HelloOk) {
    const token = hello.auth.deviceToken
    if (deviceTokens === undefined || key === undefined || token === undefined) return
    if (stored !== undefined && reveal(stored.token) === token) return
    yield* orWarn(
      deviceTokens.put(key, { token: deviceToken(token), scopes: hello.auth.scopes }),
      "the device token could not be stored"
    )
  })
  const withStored = (token: StoredToken) =>
    greet(introduce([token.token], token)).pipe(
      Effect.tapError((error) =>
        deviceTokens !== undefined && key !== undefined && mismatch(error, "AUTH_DEVICE_TOKEN_MISMATCH")
          ? orWarn(deviceTokens.remove(key), "the refused device token could not be removed")
          : Effect.void
      )
    )

  const mayRetry = isLoopback(endpoint) || isEncrypted(endpoint)
  const connecting =
    // A setup code is good once: a token that came of it goes before it.
    explicit.every(({ kind }) => kind === "bootstrapToken") && stored !== undefined
      ? withStored(stored).pipe(
          Effect.catchIf(
            (error) => explicit.length > 0 && mismatch(error, "AUTH_DEVICE_TOKEN_MISMATCH"),
            () => greet(introduce(explicit, undefined))
          )
        )
      : greet(introduce(explicit, undefined)).pipe(
          Effect.catchIf(
            (error) =>
              error instanceof HandshakeRejected &&
              error.canRetryWithDeviceToken &&
              mismatch(error, "AUTH_TOKEN_MISMATCH") &&
              mayRetry,
            (error) => (stored === undefined ? Effect.fail(error) : withStored(stored))
          )
        )
  const once: Effect.Effect<Connected, ConnectError, Scope.Scope> = Effect.gen(function* () {
    passage = options.gate === undefined ? { endpoint } : ((yield* options.gate) ?? { endpoint })
    const { lost, stands } = passage
    const reaching = within(endpoint, options.connectTimeout ?? "15 seconds")(connecting)
    const cut = lost === undefined ? Effect.never : Effect.andThen(lost, Effect.fail(tunnelEnded))
    return yield* Effect.catch(Effect.raceFirst(reaching, cut), (error) =>
      // Whatever came of it behind a tunnel that ended meanwhile says nothing of the Gateway.
      Effect.flatMap(stands ?? Effect.succeed(true), (still) => (still ? Effect.fail(error) : once))
    )
  })
  const connected = yield* once
  yield* remember(connected.hello)
  return connected
})
