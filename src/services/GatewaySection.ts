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
  /** `remote`: commands of this machine talk to the Gateway that `gateway.remote` names. `gateway run` wants `local`. @default local */
  mode: oneOf("local", "remote"),
  /** The port that the Gateway listens on; a profile has its own. @default 18789 */
  port: Schema.optional(between(1, 65_535)),
  /**
   * Who can reach it: `loopback` this machine, `lan` every network, `tailnet` the tailnet, `custom` the address in
   * `customBindHost`, `auto` what the surroundings suggest. All but loopback want authentication. @default loopback
   */
  bind: oneOf("auto", "lan", "loopback", "custom", "tailnet"),
  /** The address for `bind: "custom"`. */
  customBindHost: text,
  /** HTTPS and WSS on the Gateway's own port. Relative paths begin at the configuration's folder. */
  tls: Schema.optional(
    Schema.Struct({
      /** Serves with TLS. @default false */
      enabled: flag,
      /** A pair that is missing altogether is made, unless this is `false`. @default true */
      autoGenerate: flag,
      /** PEM; a pair in the state directory when both are left out. */
      certPath: text,
      /** PEM of the certificate's key. */
      keyPath: text,
      /** PEM of authorities that complete the chain. */
      caPath: text
    })
  ),
  /** Where browsers reach this Gateway, for example behind a proxy: `https://gateway.example.com`. */
  publicOrigin: text,
  auth: Schema.optional(
    Schema.Struct({
      /** How others prove that they may come in. `none` on loopback only. @default token */
      mode: oneOf("none", "token", "password", "trusted-proxy"),
      /** The shared secret for `mode: "token"`; made and kept at the first start when there is none. */
      token: secret,
      /** The shared secret for `mode: "password"`. */
      password: secret,
      /** Whom Tailscale Serve lets in is known by the login that Tailscale vouches for. Left out: with `serve`, unless there is a password. */
      allowTailscale: flag,
      /** Scopes that a verified login has besides those of its device, while it is connected. */
      identityScopes: record(Schema.Array(OperatorScope)),
      /** For `mode: "trusted-proxy"`: how the proxy says whom it let in. */
      trustedProxy: Schema.optional(
        Schema.Struct({
          /** The header in which the proxy names the user. */
          userHeader: Schema.optional(headerName),
          /** Headers without which a request is not the proxy's. @default none */
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
  /** A trusted proxy that sends no `X-Forwarded-For` may name the client in `X-Real-IP`. @default false */
  allowRealIpFallback: flag,
  /** What Tailscale opens of this Gateway, for as long as it runs: to the tailnet, or to everybody. */
  tailscale: Schema.optional(
    Schema.Struct({
      /** `serve`: to the tailnet. `funnel`: to everybody. @default off */
      mode: oneOf("off", "serve", "funnel")
    })
  ),
  controlUi: Schema.optional(
    Schema.Struct({
      /** Serves the page, where there is one. @default true */
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
      /** Origins of other pages that may connect, such as `https://page.example.com`. `*` lets every page try. @default this Gateway's own */
      allowedOrigins: strings
    })
  ),
  /** What is answered by HTTP besides the page. */
  http: Schema.optional(
    Schema.Struct({
      endpoints: Schema.optional(
        Schema.Struct({
          chatCompletions: Schema.optional(
            Schema.Struct({
              /** Answers `POST /v1/chat/completions` and `GET /v1/models` as OpenAI's API does. @default false */
              enabled: flag
            })
          )
        })
      )
    })
  ),
  /** Tools that `POST /tools/invoke` gives or does not give, besides its defaults. */
  tools: Schema.optional(
    Schema.Struct({
      /** Given although they are not by default. */
      allow: strings,
      /** Not given although they are by default. */
      deny: strings
    })
  ),
  /** What becomes of a change that needs a restart. */
  reload: Schema.optional(
    Schema.Struct({
      /** `hybrid`: the Gateway restarts by itself. `off`: it waits until somebody restarts it. @default hybrid */
      mode: oneOf("off", "hybrid")
    })
  ),
  /** What nodes may do. */
  nodes: Schema.optional(
    Schema.Struct({
      pairing: Schema.optional(
        Schema.Struct({
          /** `false`: a device on this machine is paired by a person too, like any other. @default true */
          autoApproveLocal: flag
        })
      ),
      commands: Schema.optional(
        Schema.Struct({
          /** Commands that may be invoked besides those that every node of its kind may offer. */
          allow: strings,
          /** Commands that may not be invoked, whoever allows them. */
          deny: strings
        })
      ),
      /** The older name of `commands.allow`. */
      allowCommands: strings,
      /** The older name of `commands.deny`. */
      denyCommands: strings
    })
  ),
  /** The Gateway that commands talk to when `mode` is `remote`. Nothing here opens or closes this machine's own Gateway. */
  remote: Schema.optional(
    Schema.Struct({
      /** Its address, `wss://…` or `ws://…`. */
      url: text,
      /** Its token. */
      token: secret,
      /** Its password. */
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
