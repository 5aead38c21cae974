/**
 * What a client is, by what it says of itself: whom the rules of `connect` treat otherwise than the rest.
 */
import type { ConnectParams } from "../../protocol/Connect.ts"

/** Web pages: a page must say where it comes from. */
export const isPage = ({ id, mode }: ConnectParams["client"]): boolean =>
  mode === "webchat" || id === "openclaw-control-ui" || id === "webchat-ui" || id === "openclaw-browser-copilot"
/** Operator interfaces: they must prove a device, and go on asking while they wait to be approved. */
export const uiClients: ReadonlySet<string> = new Set([
  "openclaw-control-ui",
  "openclaw-browser-copilot",
  "openclaw-tui"
])

/** A program of this machine's own; it is not paired, whatever it can prove. */
export const isBackend = ({ id, mode }: ConnectParams["client"]): boolean =>
  id === "gateway-client" && mode === "backend"
/** Clients that keep the scopes they ask for without a device, when they hold the shared secret on this machine. */
export const keepsScopes = (client: ConnectParams["client"]): boolean =>
  isBackend(client) || (client.id === "cli" && client.mode === "cli")

/** OpenClaw's page, which nobody has to pair whom Tailscale vouches for. */
export const isControlUi = ({ id }: ConnectParams["client"]): boolean => id === "openclaw-control-ui"
