/** Facts as an audit of a safe Gateway has them, with changes. */
import { audit, type ExecRule, type Facts, type Rights } from "../../src/layers/security/audit.ts"

export const rights = (mode: number, more: Partial<Rights> = {}): Rights => ({ path: "x", mode, kind: "file", ...more })
export const folder = (mode: number, more: Partial<Rights> = {}): Rights => rights(mode, { kind: "directory", ...more })
export const facts = (change: Partial<Facts>): Facts => ({
  config: {},
  auth: { mode: "token", secretLength: 48, source: "config" },
  stateDir: folder(0o700),
  configFile: rights(0o600),
  now: 1000,
  ...change
})
export const ids = (change: Partial<Facts>) =>
  audit(facts(change)).map(({ checkId, severity }) => `${severity} ${checkId}`)

export type Config = Facts["config"]
export const gateway = (section: NonNullable<Config["gateway"]>, more: Partial<Facts> = {}): Partial<Facts> => ({
  config: { gateway: section },
  ...more
})
export const telegram = (
  section: NonNullable<NonNullable<Config["channels"]>["telegram"]>,
  more: Config = {}
): Partial<Facts> => ({ config: { channels: { telegram: section }, ...more } })
export const proxied = (section: NonNullable<Config["gateway"]>): Partial<Facts> =>
  gateway({ ...section, auth: { ...section.auth, mode: "trusted-proxy" } }, { auth: { mode: "trusted-proxy" } })
export const rule = (more: Partial<ExecRule>): ReadonlyArray<ExecRule> => [
  { where: "defaults", security: "allowlist", ask: "on-miss", autoAllowSkills: false, ...more }
]

export const OPEN = ["critical channels.telegram.dm.open", "warn channels.telegram.dm.scope_main_multiuser"]
export const MANY = "warn security.trust_model.multi_user_heuristic"

/** A name, what provokes a check, what it finds, and what nearly provokes it. */
export type Row = readonly [string, Partial<Facts>, ReadonlyArray<string>, ReadonlyArray<Partial<Facts>>]
