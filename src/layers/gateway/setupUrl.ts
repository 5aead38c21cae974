/**
 * Under which address a device that is set up now will reach this Gateway.
 */
import * as Effect from "effect/Effect"
import * as Result from "effect/Result"
import { isEncrypted, isLoopback, parse, type Endpoint } from "../../domain/Endpoint.ts"
import * as Ip from "../../domain/IpAddress.ts"
import { parse as parseFingerprint, type TlsFingerprint } from "../../domain/TlsFingerprint.ts"
import { type GatewayError, invalidRequest } from "../../protocol/GatewayError.ts"
import type { SetupAccess } from "../../protocol/methods/devices.ts"
import type { StatusSummary } from "../../protocol/methods/system.ts"
import type { OpenClawConfig } from "../../services/ConfigSchema.ts"
import { isLoopbackAddress } from "./Addresses.ts"
import { lanAddress } from "./lan.ts"

export interface SetupUrl {
  readonly url: Endpoint
  /** Which setting it came from. */
  readonly source: string
}

interface Asked {
  readonly publicUrl?: string | undefined
  readonly preferRemoteUrl?: boolean | undefined
}

const UNREACHABLE =
  "Gateway is only bound to loopback. Set gateway.bind=lan or gateway.publicOrigin, or give a publicUrl that leads to it."
const INSECURE =
  "Pairing over Tailscale or a public address needs a secure gateway URL (wss://). ws:// is only for localhost, private LAN addresses and .local hosts."

/** Apps refuse plain connections to a tailnet's IPv4 addresses and names. */
const isTailnet = ({ hostname }: URL): boolean => {
  const address = Ip.parse(hostname)
  return hostname.endsWith(".ts.net") || (address !== undefined && Ip.isTailnet(address))
}

const bracketed = (host: string): string => (host.includes(":") ? `[${host}]` : host)

const check = (text: string, source: string): Result.Result<SetupUrl, GatewayError> => {
  const trimmed = text.trim()
  if (!URL.canParse(trimmed)) return Result.fail(invalidRequest(`Configured ${source.split(".").at(-1)} is invalid.`))
  const wanted = trimmed.replace(/^http(s?):/i, "ws$1:")
  const parsed = parse(wanted, source)
  if (Result.isFailure(parsed)) {
    return Result.fail(
      invalidRequest(
        parsed.failure._tag === "InsecureEndpoint" ? INSECURE : `Configured ${source.split(".").at(-1)} is invalid.`
      )
    )
  }
  return isTailnet(new URL(wanted)) && !isEncrypted(parsed.success)
    ? Result.fail(invalidRequest(INSECURE))
    : Result.succeed({ url: parsed.success, source })
}

/** `listening`: the address and the port of this Gateway, whether it speaks TLS there, and where Tailscale opens it. */
export const resolveSetupUrl = (
  asked: Asked,
  gateway: OpenClawConfig["gateway"],
  listening: {
    readonly host: string
    readonly port: number
    readonly secure: boolean
    readonly opened: StatusSummary["tailscale"]
  }
): Effect.Effect<SetupUrl, GatewayError> =>
  Effect.suspend(() => {
    const from = (text: string, source: string) => Effect.fromResult(check(text, source))
    if (asked.publicUrl !== undefined) return from(asked.publicUrl, "request.publicUrl")
    const remote = gateway?.remote?.url?.trim() ?? ""
    if (asked.preferRemoteUrl === true && remote !== "") return from(remote, "gateway.remote.url")
    const origin = gateway?.publicOrigin?.trim() ?? ""
    if (origin !== "") return from(origin, "gateway.publicOrigin")
    const { host, opened, port, secure } = listening
    if (opened?.url !== undefined) return from(opened.url, `gateway.tailscale.mode=${opened.mode}`)
    if (isLoopbackAddress(host) || host === "localhost") return Effect.fail(invalidRequest(UNREACHABLE))
    const every = host === "0.0.0.0" || host === "::"
    const reachable = every ? lanAddress(Ip.isLan) : host
    return reachable === undefined
      ? Effect.fail(invalidRequest("No private LAN address found. Set gateway.publicOrigin, or give a publicUrl."))
      : from(
          `${secure ? "wss" : "ws"}://${bracketed(reachable)}:${port}`,
          every ? "gateway.bind=lan" : "gateway.bind=custom"
        )
  })

/**
 * The certificate that a device has to expect at that address, where this Gateway knows it: its own where it is reached
 * directly, and the one that is configured for the remote address. A proxy's is not known here.
 */
export const resolvePin = Effect.fnUntraced(function* (
  { source, url }: SetupUrl,
  gateway: OpenClawConfig["gateway"],
  own: TlsFingerprint | undefined
): Effect.fn.Return<TlsFingerprint | undefined, GatewayError> {
  if (!isEncrypted(url)) return undefined
  if (source.startsWith("gateway.bind=")) return own
  const configured = source === "gateway.remote.url" ? (gateway?.remote?.tlsFingerprint?.trim() ?? "") : ""
  if (configured === "") return undefined
  const found = parseFingerprint(configured, "gateway.remote.tlsFingerprint")
  return yield* Effect.mapError(Effect.fromResult(found), ({ message }) => invalidRequest(message))
})

/** A network observer could take a full token on its way: over a plain connection a device gets less. */
export const accessOver = (url: Endpoint, access: SetupAccess): SetupAccess =>
  access === "full" && !isEncrypted(url) && !isLoopback(url) ? "limited" : access
