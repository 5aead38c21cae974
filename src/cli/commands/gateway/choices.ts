/**
 * The words that `gateway run` takes.
 */
export const BINDS = ["loopback", "lan", "tailnet", "auto", "custom"] as const

export const TAILSCALE_MODES = ["off", "serve", "funnel"] as const

export const AUTH_MODES = ["none", "token", "password"] as const
