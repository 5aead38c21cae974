/**
 * The Gateway as the rest of the program sees it: where it listens, since when, and who is connected.
 *
 * Making the layer starts the listener; closing its scope stops it gracefully: no new sockets, a `shutdown` event, running
 * requests finish within a budget, then every socket closes with 1012 "service restart".
 */
import * as Context from "effect/Context"
import type * as Effect from "effect/Effect"
import * as Schema from "effect/Schema"
import type * as Scope from "effect/Scope"
import type { TlsFingerprint } from "../domain/TlsFingerprint.ts"
import type { ClientInfo } from "../protocol/Connect.ts"
import type { PresenceEntry } from "../protocol/Presence.ts"

/** Other machines, or any web page, could come in and nothing would protect the Gateway. Nothing was opened. */
export class BindRefused extends Schema.TaggedError<BindRefused>()("BindRefused", {
  host: Schema.String,
  reason: Schema.Literals([
    "no-auth",
    "any-origin",
    "any-page",
    "any-page-vouched",
    "tailscale-bind",
    "tailscale-no-auth",
    "funnel-password"
  ])
}) {
  override get message() {
    if (this.reason === "any-page-vouched") {
      return `refusing to start with gateway.controlUi.allowedOrigins ["*"] where a proxy or Tailscale vouches for browsers: every web page that one of its users opens could act for them.\nFix: list the exact origins.`
    }
    if (this.reason === "tailscale-bind") {
      return `refusing to let Tailscale open a Gateway that listens on ${this.host}: it would be open by two ways, and only one of them is Tailscale's.\nFix: set gateway.bind to "loopback" (or pass --bind loopback), or set gateway.tailscale.mode to "off".`
    }
    if (this.reason === "tailscale-no-auth") {
      return `refusing to let Tailscale open a Gateway without authentication: whoever reaches this machine in the tailnet could connect.\nFix: set gateway.auth.mode to "token" (or pass --auth token), or set gateway.tailscale.mode to "off".`
    }
    if (this.reason === "funnel-password") {
      return `refusing to open the Gateway to the whole internet (gateway.tailscale.mode "funnel") without a password.\nFix: set gateway.auth.mode to "password" and OPENCLAW_GATEWAY_PASSWORD or gateway.auth.password, or set gateway.tailscale.mode to "serve".`
    }
    if (this.reason === "any-page") {
      return `refusing to listen on ${this.host} without authentication and with gateway.controlUi.allowedOrigins ["*"]: every web page that a user opens would be an operator.\nFix: set gateway.auth.mode to "token" (or pass --auth token), or list the exact origins.`
    }
    return this.reason === "no-auth"
      ? `refusing to listen on ${this.host} without authentication: every machine that reaches it would be an operator.\nFix: set gateway.auth.mode to "token" (or pass --auth token), or bind to loopback with --bind loopback.`
      : `refusing to listen on ${this.host} with gateway.controlUi.allowedOrigins ["*"]: every web page that a user opens could connect.\nFix: list the exact origins, or bind to loopback with --bind loopback.`
  }
}

/** Another program listens on the port. */
export class PortInUse extends Schema.TaggedError<PortInUse>()("PortInUse", {
  host: Schema.String,
  port: Schema.Int
}) {
  override get message() {
    return `port ${this.port} on ${this.host} is in use; \`openclaw gateway status\` tells whether it is a Gateway.\nFix: stop that program, or choose another port with --port, OPENCLAW_GATEWAY_PORT or gateway.port.`
  }
}

/** The address cannot be listened on for another reason, such as a missing interface or missing rights. */
export class ListenFailed extends Schema.TaggedError<ListenFailed>()("ListenFailed", {
  host: Schema.String,
  port: Schema.Int,
  code: Schema.String
}) {
  override get message() {
    return `cannot listen on ${this.host}:${this.port} (${this.code}).\nFix: check gateway.bind and gateway.port, or pass --bind loopback and a port above 1023.`
  }
}

/** `gateway.bind` names an address that this machine does not have. */
export class BindAddressMissing extends Schema.TaggedError<BindAddressMissing>()("BindAddressMissing", {
  bind: Schema.Literals(["custom", "tailnet"]),
  /** What `gateway.customBindHost` says, where it is neither an address nor a name that leads to one. */
  given: Schema.optional(Schema.String)
}) {
  override get message() {
    if (this.given !== undefined) {
      return `gateway.customBindHost is ${JSON.stringify(this.given.slice(0, 100))}, which is neither an IP address nor a name that leads to one.\nFix: set gateway.customBindHost to an address of this machine, or pass --bind loopback.`
    }
    return this.bind === "custom"
      ? `gateway.bind is "custom", but gateway.customBindHost names no address.\nFix: set gateway.customBindHost, or pass --bind loopback.`
      : `gateway.bind is "tailnet", but no network interface has a Tailscale address.\nFix: start Tailscale (\`tailscale up\`), or pass --bind loopback.`
  }
}

/** The files of `gateway.tls` do not make a certificate that can be shown. Nothing was opened. */
export class TlsUnusable extends Schema.TaggedError<TlsUnusable>()("TlsUnusable", {
  path: Schema.String,
  problem: Schema.String
}) {
  override get message() {
    return `TLS is on, but ${this.path} cannot be used: ${this.problem}.\nFix: put certificate and key where gateway.tls.certPath and gateway.tls.keyPath say, or remove both files to have a pair made (gateway.tls.autoGenerate).`
  }
}

/** The app's HTTP server cannot be used. Nothing was opened. */
export class AppServerUnusable extends Schema.TaggedError<AppServerUnusable>()("AppServerUnusable", {
  reason: Schema.Literals(["not-listening", "no-port", "path-taken", "path-malformed"]),
  path: Schema.String
}) {
  override get message() {
    switch (this.reason) {
      case "not-listening":
        return `the app's HTTP server does not listen, so what it opens cannot be judged.\nFix: let it listen before the Gateway's Layer is built, or in the same moment; an HttpServer Layer that is provided to the Gateway's does.`
      case "no-port":
        return `the app's HTTP server listens on a pipe or Unix socket, where nobody's address is known.\nFix: give the Gateway a server that listens on an IP address and a port.`
      case "path-taken":
        return `another Gateway has "${this.path || "/"}" of this HTTP server, or a path above or below it.\nFix: give each Gateway a path of its own.`
      case "path-malformed":
        return `"${this.path}" is no path that a Gateway can live under.\nFix: give one like "/openclaw", of letters, digits, ".", "_", "~" and "-".`
    }
  }
}

/** The Gateway goes on as it was. */
export class RestartRefused extends Schema.TaggedError<RestartRefused>()("RestartRefused", {
  message: Schema.String
}) {}

/** Who asks for a restart, and what turns get. */
export interface RestartRequest {
  readonly reason: string
  /** Milliseconds for which a moment without a running turn is waited for first. Without them nothing is waited for. */
  readonly waitMs?: number | undefined
}

/**
 * Restarts the Gateway: returns once that is decided, and carries it out afterwards. Only who runs the Gateway can, so it is
 * the app's to give.
 */
export type Restart = (request: RestartRequest) => Effect.Effect<void, RestartRefused>

/** Why a Gateway did not start. */
export type GatewayStartError = AppServerUnusable | BindRefused | PortInUse | ListenFailed | TlsUnusable

/** A connection inside this process ended, with a WebSocket's close code and reason. */
export class InProcessClosed extends Schema.TaggedError<InProcessClosed>()("InProcessClosed", {
  code: Schema.Int,
  reason: Schema.String
}) {
  override get message() {
    return `the connection to the Gateway of this process ended (${this.code}${this.reason === "" ? "" : ` ${this.reason}`})`
  }
}

/** Who connects from inside this process. Code that can ask needs no credential. */
export interface InProcessClient {
  readonly client: ClientInfo
  /** The operator scopes that its calls have; every call is checked against them, as on a socket. */
  readonly scopes: ReadonlyArray<string>
  readonly caps?: ReadonlyArray<string> | undefined
}

/** The frames of a connection inside this process, each a JSON text as on a WebSocket. */
export interface InProcessSocket {
  /** Waits while the Gateway is behind. */
  readonly send: (text: string) => Effect.Effect<void, InProcessClosed>
  /** The next frame, in order. `hello-ok` is the first, the answer to a request that needs no asking. */
  readonly receive: Effect.Effect<string, InProcessClosed>
  readonly close: (code: number, reason: string) => Effect.Effect<void>
}

export class Gateway extends Context.Service<
  Gateway,
  {
    /** The address that is listened on, as it was configured. */
    readonly host: string
    /** The port that is listened on; the real one when 0 was asked for. */
    readonly port: number
    /** Where a client on this machine connects: `ws://127.0.0.1:<port>`, or `wss:` with TLS. */
    readonly url: string
    /** Of the certificate that is shown to who connects now; `undefined` without TLS. */
    readonly tlsFingerprint: Effect.Effect<TlsFingerprint | undefined>
    /** New on every start, so that a client can tell a restart from a reconnect. */
    readonly bootId: string
    /** Unix milliseconds. */
    readonly startedAt: number
    /** Connections that finished the handshake. */
    readonly connections: Effect.Effect<number>
    /** Who is here, the Gateway itself first. */
    readonly presence: Effect.Effect<ReadonlyArray<PresenceEntry>>
    /**
     * Connects code of this process, without a socket, until the scope closes. Dispatch, scopes, decoding, events and limits
     * are those of every connection. `openclaw/client`'s `GatewayClient.inProcess` makes the typed client of it.
     */
    readonly connect: (client: InProcessClient) => Effect.Effect<InProcessSocket, never, Scope.Scope>
    /**
     * Begins the end: says so to everyone, takes no more requests and connections, and lets running turns come to a place
     * where all that they have done is stored, within the time that the limits give (`drainMs`, or these milliseconds). Once;
     * closing the Gateway's scope does it too.
     */
    readonly drain: (budgetMs?: number) => Effect.Effect<void>
  }
>()("openclaw/services/Gateway") {}
