/**
 * What a Gateway is started with, and the limits that keep it standing.
 */
import type { Server } from "node:http"
import type * as Redacted from "effect/Redacted"
import type { Effect } from "effect/Effect"
import type { Restart } from "../../services/Gateway.ts"
import * as Frame from "../../protocol/Frame.ts"
import type { Exposure } from "../../services/Tailscale.ts"
import type { IdentityOptions } from "./identity.ts"
import type { ProxyPolicy } from "./ingress.ts"
import type { TlsFiles } from "./tls/material.ts"

export type GatewayAuth =
  | { readonly mode: "none" }
  | { readonly mode: "token"; readonly token: Redacted.Redacted<string> }
  | { readonly mode: "password"; readonly password: Redacted.Redacted<string> }
  /** Whom the proxy lets in; programs on this machine may have a password instead. */
  | { readonly mode: "trusted-proxy"; readonly password?: Redacted.Redacted<string> }

/** Counts, bytes and milliseconds. The defaults are the wire's own numbers wherever the wire has one. */
export interface GatewayLimits {
  readonly handshakeTimeoutMs: number
  readonly maxBufferedBytes: number
  readonly tickIntervalMs: number
  readonly healthIntervalMs: number
  /** Requests that one connection may have running; the next is refused until one ends. */
  readonly maxInFlight: number
  /** Bytes of those requests together; a single one may have more. */
  readonly maxInFlightBytes: number
  /** Sockets that have not finished the handshake, in all and per address; this machine's own has three times as many. */
  readonly maxPreauth: number
  readonly maxPreauthPerAddress: number
  /**
   * TCP connections of one address that are not, or not yet, a WebSocket that finished the handshake. This machine's own
   * address, where proxies are, has sixteen times as many.
   */
  readonly maxUnknownPerAddress: number
  readonly maxConnections: number
  /** How long the body of an HTTP request may take, and how long a client may read nothing of its answer. */
  readonly bodyTimeoutMs: number
  /** How long running requests may go on once the Gateway stops. */
  readonly drainMs: number
  /** How long a socket that was told to close may take before it is cut. */
  readonly closeGraceMs: number
}

/** Certificates, and whether those that are replaced on the disk are left alone for now. */
export interface TlsOptions extends TlsFiles {
  readonly paused: Effect<boolean>
}

export const defaultLimits: GatewayLimits = {
  handshakeTimeoutMs: Frame.HANDSHAKE_TIMEOUT_MS,
  maxBufferedBytes: Frame.MAX_BUFFERED_BYTES,
  tickIntervalMs: Frame.TICK_INTERVAL_MS,
  healthIntervalMs: 60_000,
  maxInFlight: 512,
  maxInFlightBytes: 2 * Frame.MAX_PAYLOAD,
  maxPreauth: 512,
  maxPreauthPerAddress: 128,
  maxUnknownPerAddress: 256,
  maxConnections: 4096,
  bodyTimeoutMs: 30_000,
  drainMs: 5_000,
  closeGraceMs: 2_000
}

/** The web page that this Gateway serves. */
export interface ControlUiOptions {
  /** Absolute path of the folder with `index.html`. */
  readonly root: string
  /** Empty, or a path such as `/openclaw` without a slash at its end. */
  readonly basePath: string
}

/**
 * An HTTP server of the app, plain or with TLS, that listens or is about to. The Gateway takes from it what is its own, and
 * leaves its other requests, upgrades and connections alone.
 */
export interface AppServer {
  readonly server: Server
  /**
   * Under which the Gateway lives, such as `/openclaw`: everything below is its own. Without one it takes WebSockets at `/`, those
   * of its HTTP APIs (`/v1/…`, `/tools/invoke`) that are on, and its web page where that has a path, and leaves the probes
   * (`/healthz`, …) and `/metrics` to the app.
   */
  readonly path?: string
}

export interface GatewayOptions {
  /** Where it is reached: by a listener of its own when left out, at the app's, or from inside the process only. */
  readonly listen?: AppServer | "none"
  /** The address to listen on: `127.0.0.1`, `::1`, `0.0.0.0`, an interface's address. */
  readonly host: string
  /** 0 takes any free port. */
  readonly port: number
  /** Also listens on 127.0.0.1, with the same port, for programs on this machine. */
  readonly alsoLoopback?: boolean
  /** Without it the Gateway speaks plain HTTP. */
  readonly tls?: TlsOptions
  /** Milliseconds for which a port that somebody else has is tried again. None when left out. */
  readonly portPatienceMs?: number
  /** Version of this program, for `hello-ok` and presence. */
  readonly version: string
  readonly auth: GatewayAuth
  /** Proxies that speak for others. None are believed when left out. */
  readonly proxies?: ProxyPolicy
  /** Whose word of who somebody is counts. Nobody's when left out. */
  readonly identity?: IdentityOptions
  /** Opens this Gateway through Tailscale for as long as it runs, over a listener of its own. */
  readonly tailscale?: Exposure
  /** Web origins that may connect besides the Gateway's own; `*` is all, on loopback only. */
  readonly allowedOrigins?: ReadonlyArray<string>
  /** Host names that lead here besides this machine's own. */
  readonly allowedHosts?: ReadonlyArray<string>
  /** Absolute paths shown to operators in the snapshot of `hello-ok`. */
  readonly configPath?: string
  readonly stateDir?: string
  /** Without it no page is served. */
  readonly controlUi?: ControlUiOptions
  readonly limits?: Partial<GatewayLimits>
  /** What `gateway.restart.request` does. Without it the Gateway refuses. */
  readonly restart?: Restart
}

export const limitsOf = (options: GatewayOptions): GatewayLimits => ({ ...defaultLimits, ...options.limits })
