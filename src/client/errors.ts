/**
 * How talking to a Gateway fails. A request that the Gateway itself refused fails with the protocol's `GatewayError`;
 * these are the failures around it.
 */
import * as Schema from "effect/Schema"
import { display, TlsFingerprint, type TlsPinWithoutTls } from "../domain/TlsFingerprint.ts"
import { SshTarget } from "../domain/SshTarget.ts"
import { TunnelError } from "../services/TunnelManager.ts"

/** Text that another machine wrote, made safe for a terminal: one line, no control characters, at most 500 characters. */
export const printable = (text: string): string =>
  text
    .slice(0, 2000)
    .replace(/[\s\p{Cc}\p{Bidi_Control}]+/gu, " ")
    .trim()
    .slice(0, 500)

const advice = {
  refused: "Start it with `openclaw gateway`, or name another one with --url.",
  dns: "Check the host name.",
  timeout: "Check that it runs (`openclaw gateway status`) and that no firewall is in between.",
  network: "Check the network, then that it runs (`openclaw gateway status`).",
  tls: "Use the name that the certificate was made for; one that the Gateway made itself is named by its fingerprint (gateway.remote.tlsFingerprint or --tls-fingerprint).",
  insecure: "Use wss://, or reach the Gateway through an SSH tunnel or Tailscale.",
  "not-a-gateway": "Check host and port: another program answers there, or a proxy that does not pass WebSockets on."
}

/** No Gateway could be reached. `detail` is the system's reason, for example `ECONNREFUSED`. */
export class GatewayUnreachable extends Schema.TaggedError<GatewayUnreachable>()("GatewayUnreachable", {
  endpoint: Schema.String,
  reason: Schema.Literals(["refused", "dns", "timeout", "network", "tls", "insecure", "not-a-gateway"]),
  detail: Schema.String
}) {
  override get message() {
    return `No Gateway answers at ${this.endpoint} (${this.detail}).\nFix: ${advice[this.reason]}`
  }
}

/**
 * Whoever answers has another certificate than the one that is known by its fingerprint. Nothing was sent. Connecting again
 * cannot help.
 */
export class TlsFingerprintMismatch extends Schema.TaggedError<TlsFingerprintMismatch>()("TlsFingerprintMismatch", {
  endpoint: Schema.String,
  expected: TlsFingerprint,
  actual: TlsFingerprint
}) {
  override get message() {
    return `${this.endpoint} does not have the expected certificate; nothing was sent.\n  expected ${display(this.expected)}\n  received ${display(this.actual)}\nFix: compare with the fingerprint that \`openclaw status\` shows on the Gateway's machine. If the Gateway has a new certificate, set the new fingerprint (gateway.remote.tlsFingerprint or --tls-fingerprint); if not, somebody else answers there.`
  }
}

/**
 * Whoever answers at a tunnel's near end did not prove to be the Gateway behind the tunnel. No credential was shown to it.
 * The tunnel finds out whether its own Gateway is another one; else this passes by itself.
 */
export class GatewayUnproven extends Schema.TaggedError<GatewayUnproven>()("GatewayUnproven", {
  endpoint: Schema.String,
  /** The Gateway's `deviceId`. */
  expected: Schema.String,
  /** Who it proved to be; left out where it proved nothing. */
  found: Schema.optional(Schema.String)
}) {
  override get message() {
    const found = this.found === undefined ? "it gave no proof" : `it is ${this.found}`
    return `Not the Gateway behind the tunnel answers at ${this.endpoint}: known is ${this.expected}, and ${found}. No credential was shown to it.\nFix: try again in a moment; if it stays, see who has that port (\`ss -ltnp\` or \`lsof -i\`).`
  }
}

/**
 * The Gateway answered `connect` with an error. `code` and `detailCode` are the wire's `error.code` and
 * `error.details.code`, `explanation` is the Gateway's own sentence.
 */
export class HandshakeRejected extends Schema.TaggedError<HandshakeRejected>()("HandshakeRejected", {
  code: Schema.String,
  detailCode: Schema.optional(Schema.String),
  explanation: Schema.String,
  /** The pairing request that an operator has to approve. */
  requestId: Schema.optional(Schema.String),
  /** The same handshake may succeed later without anybody doing anything. */
  retryable: Schema.Boolean,
  /** Milliseconds to wait before that. */
  retryAfterMs: Schema.optional(Schema.Natural),
  recommendedNextStep: Schema.optional(Schema.String),
  /** A device token that the Gateway issued earlier would be accepted in place of the shared secret. */
  canRetryWithDeviceToken: Schema.Boolean,
  /** The wire's `error.details`, whatever a newer Gateway says in them. */
  details: Schema.optional(Schema.Unknown)
}) {
  /**
   * Waiting cannot help: someone has to approve the device or change a credential. Not so where the Gateway says that an
   * approval is on its way.
   */
  get terminal(): boolean {
    if (this.detailCode === "PAIRING_REQUIRED") return this.recommendedNextStep !== "wait_then_retry"
    return !this.retryable
  }

  override get message() {
    return `The Gateway refused the connection: ${this.explanation}${this.fix}`
  }

  private get fix(): string {
    if (this.detailCode === "PAIRING_REQUIRED") {
      const id = this.requestId === undefined ? "<id from `openclaw devices list`>" : this.requestId
      return `\nFix: on the Gateway's machine run \`openclaw devices approve ${id}\`, then connect again.`
    }
    if (this.retryable) {
      return this.retryAfterMs === undefined
        ? "\nIt may work in a moment."
        : `\nTry again in ${Math.ceil(this.retryAfterMs / 1000)} s.`
    }
    if (this.detailCode === "DEVICE_IDENTITY_REQUIRED" || this.detailCode?.startsWith("AUTH_") === true) {
      return "\nFix: pass the Gateway's own secret with --token or --password, or set OPENCLAW_GATEWAY_TOKEN (for a remote Gateway also gateway.remote.token)."
    }
    if (this.detailCode?.startsWith("DEVICE_AUTH_SIGNATURE") === true) {
      return "\nFix: check both machines' clocks; they may differ by two minutes at most."
    }
    if (this.detailCode === "PROTOCOL_MISMATCH") return "\nFix: bring this program and the Gateway to the same version."
    return ""
  }
}

/**
 * The connection ended, with the WebSocket close `code` and `reason` (1006 when the peer vanished without one).
 * On a call, `request` says which one, and whether it had been sent: a call that was sent may have been carried out.
 */
export class ConnectionClosed extends Schema.TaggedError<ConnectionClosed>()("ConnectionClosed", {
  code: Schema.Int,
  reason: Schema.String,
  request: Schema.optional(Schema.Struct({ method: Schema.String, sent: Schema.Boolean }))
}) {
  /** Another process connected with this one's identity. Connecting again would only end that one's connection. */
  get replaced(): boolean {
    return this.code === 1008 && this.reason.startsWith("replaced by a newer connection")
  }

  override get message() {
    if (this.replaced && this.request === undefined) {
      return "The Gateway ended this connection because another process that uses the same identity connected.\nFix: stop one of the two, or give each a state directory of its own (--profile <name> or OPENCLAW_STATE_DIR)."
    }
    const why = this.reason === "" ? `code ${this.code}` : `code ${this.code}: ${this.reason}`
    if (this.request === undefined) return `The connection to the Gateway ended (${why}).`
    return this.request.sent
      ? `The connection to the Gateway ended (${why}) before \`${this.request.method}\` was answered. Whether it was carried out is unknown.`
      : `The connection to the Gateway ended (${why}) before \`${this.request.method}\` was sent. Nothing happened.`
  }
}

/** A call's one deadline passed. `sent` as in `ConnectionClosed`. */
export class RequestTimeout extends Schema.TaggedError<RequestTimeout>()("RequestTimeout", {
  method: Schema.String,
  timeoutMs: Schema.Finite,
  sent: Schema.Boolean
}) {
  override get message() {
    return this.sent
      ? `The Gateway did not answer \`${this.method}\` within ${this.timeoutMs} ms. Whether it was carried out is unknown.`
      : `\`${this.method}\` could not be sent within ${this.timeoutMs} ms: there is no connection to the Gateway. Nothing happened.`
  }
}

/** The peer answered something that Gateway protocol v4 does not allow. `problem` names the frame and the path in it. */
export class ProtocolViolation extends Schema.TaggedError<ProtocolViolation>()("ProtocolViolation", {
  problem: Schema.String
}) {
  override get message() {
    return `The Gateway's answer was not understood: ${this.problem}\nFix: check that the address is a Gateway's and that both sides have matching versions.`
  }
}

/** A reader of `events` fell so far behind that events would have been lost; its stream ends here instead. */
export class EventsOverflowed extends Schema.TaggedError<EventsOverflowed>()("EventsOverflowed", {
  capacity: Schema.Int
}) {
  override get message() {
    return `More than ${this.capacity} events wait for one reader; it was stopped rather than losing any.`
  }
}

/** What may help a tunnel that comes by itself where nobody has to do anything, said by what it failed with last. */
const tunnelAdvice = (error: TunnelError | undefined): string => {
  if (error?._tag !== "SshUnreachable")
    return "log in by hand once (`ssh <host>`) to see what it waits for, or wait longer with --timeout"
  switch (error.reason) {
    case "refused":
      return "check that sshd runs there and at which port"
    case "dns":
      return "check the host name in gateway.remote.sshTarget"
    default:
      return "check the network, and whether `ssh <host>` gets through; or wait longer with --timeout"
  }
}

/** A tunnel did not stand in time. `last` is what it failed with so far; left out where ssh was still at it. */
export class TunnelTimeout extends Schema.TaggedError<TunnelTimeout>()("TunnelTimeout", {
  target: SshTarget,
  timeoutMs: Schema.Finite,
  last: Schema.optional(TunnelError)
}) {
  override get message() {
    const within = `The Gateway behind ${this.target} was not reached within ${this.timeoutMs} ms.`
    if (this.last === undefined) return `${within}\nFix: ${tunnelAdvice(this.last)}.`
    const [what = "", ...more] = this.last.message.replaceAll(" It is tried again.", "").split("\n")
    const fix = more.find((line) => line.startsWith("Fix: "))
    return `${within} ${what}\n${fix ?? `Fix: ${tunnelAdvice(this.last)}.`}`
  }
}

/** How a connection attempt fails. */
export type ConnectError =
  | GatewayUnproven
  | GatewayUnreachable
  | HandshakeRejected
  | ConnectionClosed
  | ProtocolViolation
  | TlsFingerprintMismatch
  | TlsPinWithoutTls
  | TunnelError
  | TunnelTimeout

/** How a call fails, apart from the Gateway refusing it. */
export type CallError = ConnectionClosed | RequestTimeout | ProtocolViolation
