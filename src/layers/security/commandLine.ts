/**
 * What the command line of the Gateway that runs says: it goes before the configuration, and every user can read it.
 */
import type { OpenClawConfig } from "../../services/ConfigSchema.ts"

const BINDS = ["loopback", "lan", "tailnet", "auto", "custom"] as const
const TAILSCALE = ["off", "serve", "funnel"] as const
const AUTH = ["none", "token", "password"] as const

type Words = ReadonlyArray<string>

/** The value of a flag, if it is one of those that there are. */
const valueOf = <const A extends string>(words: Words, flag: string, known: ReadonlyArray<A>): A | undefined => {
  const at = words.findIndex((word) => word === flag || word.startsWith(`${flag}=`))
  const value = words[at] === flag ? words[at + 1] : words[at]?.slice(flag.length + 1)
  return known.find((each) => each === value)
}

/** The flags with secrets, each once and without its value. */
export const secretFlagsIn = (words: Words): ReadonlyArray<string> => {
  const flags = words.map((word) => /^--(?:token|password)(?==|$)/.exec(word)?.[0])
  return [...new Set(flags.filter((flag) => flag !== undefined))]
}

export interface Told {
  readonly auth?: (typeof AUTH)[number] | undefined
  readonly bind?: (typeof BINDS)[number] | undefined
  readonly tailscale?: (typeof TAILSCALE)[number] | undefined
}

/** What it says of who comes in and from where. */
export const toldIn = (words: Words): Told => ({
  auth: valueOf(words, "--auth", AUTH),
  bind: valueOf(words, "--bind", BINDS),
  tailscale: valueOf(words, "--tailscale", TAILSCALE)
})

/** The configuration as that Gateway follows it. */
export const followed = (config: OpenClawConfig, { bind, tailscale }: Told): OpenClawConfig => ({
  ...config,
  gateway: {
    ...config.gateway,
    ...(bind === undefined ? undefined : { bind }),
    ...(tailscale === undefined ? undefined : { tailscale: { ...config.gateway?.tailscale, mode: tailscale } })
  }
})

/** The flags as they were written. */
export const shown = (told: Told): ReadonlyArray<string> =>
  Object.entries(told).flatMap(([name, value]) => (value === undefined ? [] : [`--${name} ${value}`]))
