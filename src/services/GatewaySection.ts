/**
 * The section `gateway` of `openclaw.json`: where a Gateway listens, whom it lets in, and how others are reached.
 */
import * as Schema from "effect/Schema"
import { parseRange } from "../domain/IpAddress.ts"
import { OperatorScope } from "../protocol/Role.ts"
import { between, flag, oneOf, record, secret, strings, text } from "./ConfigFields.ts"

/** An IP address or a range such as `10.0.0.0/8`. */
const range = Schema.String.pipe(
  Schema.check(
    Schema.makeFilter((entry: string) => parseRange(entry) !== undefined, {
      expected: "an IP address or a range of them such as 10.0.0.0/8"
    })
  )
)
const headerName = Schema.String.pipe(Schema.check(Schema.isPattern(/^[A-Za-z0-9!#$%&'*+.^_`|~-]{1,100}$/)))

export const GatewaySection = Schema.Struct({
  mode: oneOf("local", "remote"),
  port: Schema.optional(between(1, 65_535)),
  bind: oneOf("auto", "lan", "loopback", "custom", "tailnet"),
  customBindHost: text,
  /** HTTPS and WSS on the Gateway's own port. Relative paths begin at the configuration's folder. */
  tls: Schema.optional(
    Schema.Struct({
      enabled: flag,
      /** A pair that is missing altogether is made, unless this is `false`. */
      autoGenerate: flag,
      /** PEM; a pair in the state directory when both are left out. */
      certPath: text,
      keyPath: text,
      /** PEM of authorities that complete the chain. */
      caPath: text
    })
  ),
  /** Where browsers reach this Gateway, for example behind a proxy: `https://gateway.example.com`. */
  publicOrigin: text,
  auth: Schema.optional(
    Schema.Struct({
      mode: oneOf("none", "token", "password", "trusted-proxy"),
      token: secret,
      password: secret,
      /** Whom Tailscale Serve lets in is known by the login that Tailscale vouches for. Left out: with `serve`, unless there is a password. */
      allowTailscale: flag,
      /** Scopes that a verified login has besides those of its device, while it is connected. */
      identityScopes: record(Schema.Array(OperatorScope)),
      /** For `mode: "trusted-proxy"`: how the proxy says whom it let in. */
      trustedProxy: Schema.optional(
        Schema.Struct({
          userHeader: Schema.optional(headerName),
          requiredHeaders: Schema.optional(Schema.Array(headerName)),
          /** Empty or left out: everybody whom the proxy lets in. */
          allowUsers: Schema.optional(Schema.Array(Schema.NonEmptyString)),
          /** Programs on this machine may be that proxy. */
          allowLoopback: flag
        })
      )
    })
  ),
  /** Proxies whose forwarding headers are believed. */
  trustedProxies: Schema.optional(Schema.Array(range)),
  /** A trusted proxy that sends no `X-Forwarded-For` may name the client in `X-Real-IP`. */
  allowRealIpFallback: flag,
  /** What Tailscale opens of this Gateway, for as long as it runs: to the tailnet, or to everybody. */
  tailscale: Schema.optional(Schema.Struct({ mode: oneOf("off", "serve", "funnel") })),
  controlUi: Schema.optional(
    Schema.Struct({
      enabled: flag,
      /** Folder of the page's files; a relative one begins at the configuration's folder. Without it there is no page. */
      root: text,
      /** Path prefix of the page, for example `/openclaw`. */
      basePath: Schema.optional(
        Schema.String.pipe(
          Schema.check(
            Schema.isPattern(/^(?:\/?[A-Za-z0-9_~-][A-Za-z0-9._~-]*(?:\/[A-Za-z0-9_~-][A-Za-z0-9._~-]*)*)?\/?$/)
          )
        )
      ),
      allowedOrigins: strings
    })
  ),
  http: Schema.optional(
    Schema.Struct({
      endpoints: Schema.optional(Schema.Struct({ chatCompletions: Schema.optional(Schema.Struct({ enabled: flag })) }))
    })
  ),
  /** Tools that `POST /tools/invoke` gives or does not give, besides its defaults. */
  tools: Schema.optional(Schema.Struct({ allow: strings, deny: strings })),
  /** `off`: a change that needs a restart waits until somebody restarts the Gateway. */
  reload: Schema.optional(Schema.Struct({ mode: oneOf("off", "hybrid") })),
  nodes: Schema.optional(
    Schema.Struct({
      /** `false`: a device on this machine is paired by a person too, like any other. */
      pairing: Schema.optional(Schema.Struct({ autoApproveLocal: flag })),
      commands: Schema.optional(Schema.Struct({ allow: strings, deny: strings })),
      allowCommands: strings,
      denyCommands: strings
    })
  ),
  /** The Gateway that commands talk to when `mode` is `remote`. Nothing here opens or closes this machine's own Gateway. */
  remote: Schema.optional(
    Schema.Struct({
      url: text,
      token: secret,
      password: secret,
      /** `ssh`: through a forward to `sshTarget`, where `url` names its end on this machine. Left out: `ssh` if there is a target. */
      transport: oneOf("ssh", "direct"),
      /** `user@host` or `user@host:port`. */
      sshTarget: text,
      /** Path of the private key. */
      sshIdentity: text,
      /** The Gateway's port over there; left out: the port of `url`. */
      remotePort: Schema.optional(between(1, 65_535)),
      /** `strict`: only hosts whose key is known. `openssh`: what the user's own ssh configuration says. */
      sshHostKeyPolicy: oneOf("strict", "openssh"),
      /** SHA-256 of the certificate that a `wss:` Gateway must show. */
      tlsFingerprint: text
    })
  )
})
