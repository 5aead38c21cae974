/**
 * From where the Gateway is reached, and what is said on the way.
 */
import * as DateTime from "effect/DateTime"
import { parse } from "../../domain/IpAddress.ts"
import { type Facts, type Finding, finding, isExposed, isOwnHost, isRemote, when } from "./Finding.ts"

const listener = ({ certificateValidTo, config, now }: Facts): ReadonlyArray<Finding> => {
  const gateway = config.gateway ?? {}
  const exposed = isExposed(gateway)
  const host = gateway.bind === "custom" ? ` (${gateway.customBindHost ?? "no address"})` : ""
  const { tls } = gateway
  return [
    ...when(
      exposed,
      finding(
        "gateway.bind_exposed",
        "info",
        "Other machines reach the Gateway",
        `gateway.bind is "${gateway.bind}"${host}.`,
        "let a firewall name who may connect, or bind to loopback and use an SSH tunnel or Tailscale"
      )
    ),
    // A tailnet encrypts by itself.
    ...when(
      exposed && tls?.enabled !== true && gateway.bind !== "tailnet",
      finding(
        "gateway.bind_no_tls",
        "warn",
        "The token and all that is said travel unencrypted",
        `gateway.bind is "${gateway.bind}" and gateway.tls is off: everyone on that network can read along.`,
        "set gateway.tls.enabled to true, or bind to loopback and use an SSH tunnel or Tailscale"
      )
    ),
    ...when(
      exposed && tls?.enabled === true && (tls.certPath ?? "").trim() === "",
      finding(
        "gateway.tls_self_signed",
        "info",
        "No authority vouches for the certificate",
        "gateway.tls uses a certificate that was made here: a client that does not pin it cannot tell the Gateway from an impostor.",
        "give clients the fingerprint that `openclaw status` shows (gateway.remote.tlsFingerprint, --tls-fingerprint), or name a certificate of an authority"
      )
    ),
    ...when(
      certificateValidTo !== undefined && certificateValidTo < now,
      finding(
        "gateway.tls_expired",
        "warn",
        "The certificate has expired",
        `It was valid until ${DateTime.formatIso(DateTime.makeUnsafe(certificateValidTo ?? 0))}; only clients that pin it connect.`,
        "replace the files of gateway.tls; a running Gateway takes them over by itself"
      )
    )
  ]
}

const tailscale = ({ auth, config }: Facts): ReadonlyArray<Finding> => {
  const gateway = config.gateway ?? {}
  const mode = gateway.tailscale?.mode
  // As the Gateway has it where nothing is said.
  const believed = gateway.auth?.allowTailscale ?? (auth.mode !== "password" && auth.mode !== "trusted-proxy")
  return [
    ...when(
      mode === "funnel",
      finding(
        "gateway.tailscale_funnel",
        "critical",
        "Everybody on the internet reaches the Gateway",
        'gateway.tailscale.mode is "funnel".',
        'set gateway.tailscale.mode to "serve", or to "off"'
      )
    ),
    ...when(
      mode === "serve",
      finding(
        "gateway.tailscale_serve",
        "info",
        "The tailnet reaches the Gateway",
        'gateway.tailscale.mode is "serve".',
        "let the tailnet's access rules name who may connect"
      )
    ),
    ...when(
      believed && mode === "serve",
      finding(
        "gateway.auth_tailscale_identity",
        "info",
        "Logins of the tailnet come in without the Gateway's own secret",
        `gateway.auth.allowTailscale is ${gateway.auth?.allowTailscale === true ? "true" : "on by default with serve"}: whoever Tailscale vouches for is let in, after pairing their device.`,
        "set gateway.auth.allowTailscale to false to ask everybody for the token"
      )
    )
  ]
}

const pageOrigins = ({ config }: Facts): ReadonlyArray<Finding> => {
  const gateway = config.gateway ?? {}
  const origins = gateway.controlUi?.allowedOrigins ?? []
  const plain = origins.filter(
    (origin) => /^http:/i.test(origin) && !(URL.canParse(origin) && isOwnHost(new URL(origin).hostname))
  )
  const opaque = origins.filter((origin) => origin === "null" || /^(?:file|data|blob):/i.test(origin))
  return [
    ...when(
      origins.includes("*"),
      finding(
        "gateway.control_ui.allowed_origins_wildcard",
        isRemote(gateway) ? "critical" : "warn",
        "Every web page may connect",
        'gateway.controlUi.allowedOrigins has "*": a page that somebody opens needs only the credential.',
        "list the exact origins"
      )
    ),
    ...when(
      opaque.length > 0,
      finding(
        "gateway.control_ui.allowed_origins_opaque",
        "warn",
        "An origin that anybody can have may connect",
        `gateway.controlUi.allowedOrigins has ${opaque.map((origin) => JSON.stringify(origin)).join(", ")}: every local file and sandboxed frame is that.`,
        "serve the page over HTTPS and list its origin"
      )
    ),
    ...when(
      plain.length > 0,
      finding(
        "gateway.control_ui.allowed_origins_plaintext",
        "warn",
        "A page that may connect is fetched unencrypted",
        `gateway.controlUi.allowedOrigins has ${plain.join(", ")}: whoever sits between can change that page and take its token.`,
        "serve the page over HTTPS"
      )
    )
  ]
}

const mdns = ({ config }: Facts): ReadonlyArray<Finding> =>
  when(
    config.discovery?.mdns?.mode === "full" && config.plugins?.entries?.bonjour?.enabled !== false,
    finding(
      "discovery.mdns_full_mode",
      isExposed(config.gateway ?? {}) ? "critical" : "warn",
      "The local network is told where ssh listens and where the program is",
      'discovery.mdns.mode is "full".',
      'set discovery.mdns.mode to "minimal", or run `openclaw security audit --fix`'
    )
  )

/** The Gateway that this machine's commands talk to. */
const remote = ({ config }: Facts): ReadonlyArray<Finding> => {
  const { mode, remote: far } = config.gateway ?? {}
  const url = far?.url?.trim() ?? ""
  const direct = far?.transport === "direct" || (far?.transport === undefined && (far?.sshTarget ?? "") === "")
  if (mode !== "remote" || !direct || !URL.canParse(url)) return []
  const { hostname, protocol } = new URL(url)
  const own = isOwnHost(hostname)
  return [
    ...when(
      protocol === "ws:" && !own,
      finding(
        "gateway.remote_plaintext",
        "warn",
        "The token travels unencrypted to the remote Gateway",
        `gateway.remote.url is ${JSON.stringify(`${protocol}//${hostname}`)}; unless that network encrypts by itself, as a tailnet does, everyone on it can read along.`,
        'use wss://, or gateway.remote.transport "ssh"'
      )
    ),
    ...when(
      protocol === "wss:" &&
        (far?.tlsFingerprint ?? "").trim() === "" &&
        parse(hostname.replace(/^\[(.*)\]$/, "$1")) !== undefined,
      finding(
        "gateway.remote_tls_unpinned",
        "info",
        "The remote Gateway's certificate is not pinned",
        "gateway.remote.url names an address, for which an authority seldom vouches, and gateway.remote.tlsFingerprint is missing.",
        "set gateway.remote.tlsFingerprint to what `openclaw status` shows on that machine"
      )
    )
  ]
}

/** Otherwise nobody finds in the configuration what the others say of it. */
const started = ({ startedWith = [] }: Facts): ReadonlyArray<Finding> =>
  when(
    startedWith.length > 0,
    finding(
      "gateway.started_with_flags",
      "info",
      "The Gateway that runs was told more than the configuration says",
      `it was started with ${startedWith.join(" and ")}; that is what the other findings are about.`,
      "write into the configuration what is to stay, and restart the Gateway without the flags"
    )
  )

export const network = (facts: Facts): ReadonlyArray<Finding> => [
  ...started(facts),
  ...listener(facts),
  ...tailscale(facts),
  ...pageOrigins(facts),
  ...mdns(facts),
  ...remote(facts)
]
