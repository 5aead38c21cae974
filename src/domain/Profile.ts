/**
 * A profile: a name under which everything of a Gateway is its own: configuration, state, port, service. Two profiles on one
 * machine never meet.
 */
import { DEFAULT_PORT } from "./Endpoint.ts"

/** The profile of `--dev`. */
export const DEV = "dev"

const DEV_PORT = 19_001
const FIRST_PORT = 20_000
const PORTS = 40_000

const NAME = /^[a-z0-9][a-z0-9_-]{0,63}$/i

/** 1 to 64 letters, digits, `-` and `_`: a name that is safe in a path and in the name of a service. */
export const isName = (text: string): boolean => NAME.test(text)

/** How the program is called for a profile. */
export const programOf = (profile: string | undefined): string =>
  profile === undefined ? "openclaw" : `openclaw --profile ${profile}`

/** The 32 bits of FNV-1a. */
const hash = (text: string): number => {
  let found = 0x811c9dc5
  for (const char of text) found = Math.imul(found ^ (char.codePointAt(0) ?? 0), 0x01000193) >>> 0
  return found
}

/**
 * The port of a profile's Gateway where nothing says another: 18789 without a profile, 19001 for `dev`, else one from 20000
 * to 59999 that OpenClaw too derives from the name.
 */
export const portOf = (profile: string | undefined): number => {
  if (profile === undefined) return DEFAULT_PORT
  return profile === DEV ? DEV_PORT : FIRST_PORT + (hash(profile) % PORTS)
}
