/**
 * SSH tunnels to remote Gateways: each is one supervised fiber that keeps the system's `ssh` forwarding a local port, and
 * says of it what is true. A tunnel is up when the Gateway that is known for the target answered through this very forward.
 */
import * as Context from "effect/Context"
import type * as Effect from "effect/Effect"
import * as Schema from "effect/Schema"
import type * as Scope from "effect/Scope"
import type * as SubscriptionRef from "effect/SubscriptionRef"
import type { Credential } from "../domain/Credential.ts"
import { SshTarget, SshTargetInvalid } from "../domain/SshTarget.ts"
import type { TlsFingerprint } from "../domain/TlsFingerprint.ts"

export { SshTargetInvalid }

/** The file of the state directory with the Gateway that is known for each target. */
export const KNOWN_GATEWAYS = "tunnels/known-gateways.json"

/** The host's key is unknown or not the one that was known. `changed`: the latter, which may be an attack. */
export class SshHostKeyRejected extends Schema.TaggedError<SshHostKeyRejected>()("SshHostKeyRejected", {
  target: SshTarget,
  changed: Schema.Boolean
}) {
  override get message() {
    return this.changed
      ? `The host key of ${this.target} is not the one that was known. Somebody may be in between; nothing was sent.\nFix: if the host was set up anew, compare the new key's fingerprint on the host itself, remove the old one with \`ssh-keygen -R <host>\`, then log in once by hand.`
      : `The host key of ${this.target} is not known on this machine; nothing was sent.\nFix: log in once by hand (\`ssh <host>\`) and compare the fingerprint, or set gateway.remote.sshHostKeyPolicy to "openssh".`
  }
}

/** ssh could not log in without asking a person. */
export class SshAuthFailed extends Schema.TaggedError<SshAuthFailed>()("SshAuthFailed", {
  target: SshTarget,
  /** What ssh said. */
  detail: Schema.String
}) {
  override get message() {
    return `${this.target} did not let ssh in (${this.detail}). Tunnels never ask for a password.\nFix: check the user name, put your public key there (\`ssh-copy-id\`), and load it into the agent or name it with gateway.remote.sshIdentity.`
  }
}

const identityProblems = {
  relative: ["is not an absolute path", "give it from the root on"],
  expanded: ["has a character that ssh reads as its own (%, ~ or ${)", "link or move the key to a path without"],
  missing: ["does not exist", "check the path"],
  "no-file": ["is no file", "name the key itself"],
  unreadable: ["cannot be read by this user", "run as the user whose key it is"],
  open: ["may be read by others too, which ssh refuses", "`chmod 600` it"]
} as const

/** The private key that is to be used cannot be. ssh was not started. */
export class SshIdentityUnusable extends Schema.TaggedError<SshIdentityUnusable>()("SshIdentityUnusable", {
  path: Schema.String,
  problem: Schema.Literals(["relative", "expanded", "missing", "no-file", "unreadable", "open"]),
  /** The permissions, in octal digits, where they are the problem. */
  mode: Schema.optional(Schema.String)
}) {
  override get message() {
    const [problem, fix] = identityProblems[this.problem]
    const mode = this.mode === undefined ? "" : ` (mode ${this.mode})`
    return `The SSH key ${JSON.stringify(this.path.slice(0, 200))} ${problem}${mode}.\nFix: ${fix}, or name another one with gateway.remote.sshIdentity or --identity.`
  }
}

/** ssh cannot be run as asked: it is not installed, or its own configuration is broken. */
export class SshUnusable extends Schema.TaggedError<SshUnusable>()("SshUnusable", { detail: Schema.String }) {
  override get message() {
    return `ssh cannot be used: ${this.detail}\nFix: install OpenSSH's client, and check that \`ssh -G <host>\` works.`
  }
}

/** Another process has the local port, or this user may not take it (`forbidden`). */
export class PortTaken extends Schema.TaggedError<PortTaken>()("PortTaken", {
  port: Schema.Int,
  forbidden: Schema.Boolean,
  /** It is not the tunnel's: ssh's own configuration asks for it. */
  configured: Schema.Boolean
}) {
  override get message() {
    if (this.configured) {
      return `ssh cannot listen on port ${this.port} of this machine, which a LocalForward or DynamicForward of its own configuration asks for. It is tried again without.`
    }
    return this.forbidden
      ? `This user may not listen on port ${this.port}.\nFix: choose a local port above 1023.`
      : `Port ${this.port} of this machine is taken by another process; nothing was sent to it.\nFix: end that process (\`ss -ltnp\` or \`lsof -i :${this.port}\` shows it), or choose another local port.`
  }
}

/** The way to the host does not work at present. Tried again for ever. */
export class SshUnreachable extends Schema.TaggedError<SshUnreachable>()("SshUnreachable", {
  target: SshTarget,
  reason: Schema.Literals(["refused", "dns", "timeout", "network", "closed", "silent"]),
  /** What ssh said last, as one line; may be empty. */
  detail: Schema.String
}) {
  override get message() {
    const said = this.detail === "" ? "" : `: ${this.detail}`
    return `No way to ${this.target} (${this.reason}${said}). It is tried again.`
  }
}

/** ssh forwards, and behind the far port nothing answers as a Gateway does. Tried again for ever. */
export class GatewayNotAnswering extends Schema.TaggedError<GatewayNotAnswering>()("GatewayNotAnswering", {
  target: SshTarget,
  remotePort: Schema.Int,
  detail: Schema.String
}) {
  override get message() {
    return `The tunnel to ${this.target} stands, but no Gateway answers at its port ${this.remotePort} (${this.detail}). It is tried again.\nFix: start it there with \`openclaw gateway start\` or \`openclaw gateway run\`, or set gateway.remote.remotePort; one that speaks TLS needs a gateway.remote.url with wss:// and its gateway.remote.tlsFingerprint.`
  }
}

/** Not the Gateway answers that is known for this target. Where that one proves who it is, no credential was shown. */
export class WrongGateway extends Schema.TaggedError<WrongGateway>()("WrongGateway", {
  target: SshTarget,
  /** Left out where none is known, and whoever answers gave a proof that does not hold. */
  expected: Schema.optional(Schema.String),
  /** Left out where it proved nothing. */
  found: Schema.optional(Schema.String)
}) {
  override get message() {
    const found = this.found === undefined ? "it did not prove its identity" : `its identity is ${this.found}`
    const known = this.expected === undefined ? "" : `, known is ${this.expected}`
    return `Another Gateway answers behind ${this.target}: ${found}${known}.\nFix: check host and port; if the Gateway was set up anew, \`openclaw tunnel forget ${this.target}\`.`
  }
}

/** The Gateway behind the tunnel does not tell who it is, because it lets nobody in with these credentials. */
export class GatewayRefused extends Schema.TaggedError<GatewayRefused>()("GatewayRefused", {
  target: SshTarget,
  /** What it said, with the fix. */
  detail: Schema.String
}) {
  override get message() {
    return `The Gateway behind ${this.target} could not be recognised. ${this.detail}`
  }
}

/** The process that holds the tunnel is there and says nothing: stopped, or stuck. */
export class TunnelHolderSilent extends Schema.TaggedError<TunnelHolderSilent>()("TunnelHolderSilent", {
  target: SshTarget,
  pid: Schema.Int
}) {
  override get message() {
    return `The tunnel to ${this.target} is held by pid ${this.pid}, which does not answer.\nFix: let it go on (\`kill -CONT ${this.pid}\`), or end it (\`kill -9 ${this.pid}\`): then another takes over.`
  }
}

/** What is known of Gateways cannot be read, so none is recognised, rather than any being trusted anew. */
export class KnownGatewaysUnusable extends Schema.TaggedError<KnownGatewaysUnusable>()("KnownGatewaysUnusable", {
  path: Schema.String,
  detail: Schema.String
}) {
  override get message() {
    return `${this.path} cannot be read (${this.detail}).\nFix: repair it, or remove it to trust the Gateways that answer next.`
  }
}

/** A fault of this program, whose log has the cause. */
export class TunnelBroken extends Schema.TaggedError<TunnelBroken>()("TunnelBroken", { target: SshTarget }) {
  override get message() {
    return `The tunnel to ${this.target} ended by a fault of this program.\nFix: start it again; the cause is in the log, which a report should quote.`
  }
}

export const TunnelError = Schema.Union([
  SshHostKeyRejected,
  SshAuthFailed,
  SshIdentityUnusable,
  SshTargetInvalid,
  SshUnusable,
  PortTaken,
  SshUnreachable,
  GatewayNotAnswering,
  GatewayRefused,
  KnownGatewaysUnusable,
  TunnelBroken,
  TunnelHolderSilent,
  WrongGateway
])
export type TunnelError = typeof TunnelError.Type

/** Waiting cannot heal it: somebody has to change a key, a name or a setting. */
export const isTerminal = (error: TunnelError): boolean => {
  switch (error._tag) {
    case "PortTaken":
      return error.forbidden && !error.configured
    case "SshUnreachable":
    case "GatewayNotAnswering":
    case "TunnelHolderSilent":
      return false
    default:
      return true
  }
}

/** A TCP port that can be named. */
export const Port = Schema.Int.pipe(Schema.check(Schema.isBetween({ minimum: 1, maximum: 65_535 })))

/** One forward: `localPort` of this machine's loopback to `remotePort` of the target's. */
export interface TunnelSpec {
  readonly target: SshTarget
  readonly localPort: number
  readonly remotePort: number
  /** The Gateway speaks TLS behind the forward too; with the fingerprint of the certificate that alone counts, if any. */
  readonly tls?: { readonly fingerprint?: TlsFingerprint | undefined } | undefined
  /** Absolute path of the private key to use, and no other. Left out: ssh decides. */
  readonly identityFile?: string | undefined
  /** `strict`: only hosts whose key is known. `openssh`: as ssh's own configuration says. */
  readonly hostKeyPolicy: "strict" | "openssh"
  /**
   * What the Gateway asks for, to learn its identity by `gateway.identity.get`. Without any, its challenge alone says that a
   * Gateway is there, and not which.
   */
  readonly credentials?: ReadonlyArray<Credential> | undefined
}

const generation = Schema.Int

/** Where a tunnel stands. Times are Unix milliseconds; `generation` counts the ssh processes that were started. */
export const TunnelState = Schema.Union([
  Schema.TaggedStruct("Connecting", { generation, error: Schema.optional(TunnelError) }),
  Schema.TaggedStruct("Up", {
    generation,
    since: Schema.Int,
    /** The near end, on this machine's loopback: the spec's, unless the tunnel is another process's or that one was taken. */
    localPort: Port,
    /** Milliseconds from dialling through the tunnel to the Gateway's challenge, the last time. */
    roundTripMs: Schema.Finite,
    /** The Gateway's `deviceId`, where it could be asked. */
    gateway: Schema.optional(Schema.String),
    /** Whether it proved that, which it does before it is shown any credential. */
    proven: Schema.optional(Schema.Boolean)
  }),
  Schema.TaggedStruct("Waiting", { generation, delayMs: Schema.Finite, error: TunnelError }),
  /** For good: see `isTerminal`. */
  Schema.TaggedStruct("Stopped", { generation, error: TunnelError })
])
export type TunnelState = typeof TunnelState.Type

/** A tunnel as the process that holds it tells others of the same state directory. No secret is in it. */
export const TunnelStatus = Schema.Struct({
  version: Schema.Literal(1),
  target: SshTarget,
  remotePort: Port,
  localPort: Port,
  identityFile: Schema.optional(Schema.String),
  hostKeyPolicy: Schema.Literals(["strict", "openssh"]),
  pid: Schema.Int.pipe(Schema.check(Schema.isGreaterThanOrEqualTo(1))),
  /** What that process is, such as `openclaw tunnel up`. */
  program: Schema.String,
  /** Since when it holds the tunnel. */
  heldSince: Schema.Int,
  state: TunnelState,
  /** How often it came back since then. */
  reconnects: Schema.Natural,
  /** What it was down for last, also when it is up again. */
  lastError: Schema.optional(Schema.Struct({ at: Schema.Int, error: TunnelError }))
})
export type TunnelStatus = typeof TunnelStatus.Type

export interface Tunnel {
  readonly spec: TunnelSpec
  /** Where it stands. Nothing is to be sent to a near end unless the state is `Up`. */
  readonly state: SubscriptionRef.SubscriptionRef<TunnelState>
  /** Waits until it is up; fails when it stopped for good. */
  readonly ready: Effect.Effect<Extract<TunnelState, { _tag: "Up" }>, TunnelError>
}

export class TunnelManager extends Context.Service<
  TunnelManager,
  {
    /**
     * Keeps a tunnel for as long as the scope is open, and returns at once; `ready` waits. Whoever asks for the same tunnel
     * meanwhile shares it, and it ends with the last of them. The layer may share tunnels with other processes too: then the
     * near end is the one that `Up` names, and another takes over when the process that holds it ends.
     */
    readonly up: (spec: TunnelSpec) => Effect.Effect<Tunnel, never, Scope.Scope>
    /** The tunnels of this process. */
    readonly tunnels: Effect.Effect<ReadonlyArray<Tunnel>>
  }
>()("openclaw/services/TunnelManager") {}
