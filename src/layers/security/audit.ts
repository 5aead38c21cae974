/**
 * What of a Gateway is open to others, from its configuration and the rights of its files. Pure: whoever asks has looked at
 * the files. The names of the checks are OpenClaw's where it has the same one; no finding holds a secret.
 */
import * as DateTime from "effect/DateTime"
import type { OpenClawConfig } from "../../services/ConfigSchema.ts"

export type Severity = "critical" | "warn" | "info"

export interface Finding {
  readonly checkId: string
  readonly severity: Severity
  readonly title: string
  readonly detail: string
  /** What to do about it. */
  readonly remediation: string
}

/** One file or folder; absent where there is none. `mode` has the permission bits. */
export interface Rights {
  readonly path: string
  readonly mode: number
  readonly link: boolean
}

/** How the Gateway would let people in if it started now. `secretLength` counts characters. */
export interface AuthFacts {
  readonly mode: "none" | "token" | "password" | "trusted-proxy"
  readonly secretLength?: number | undefined
  /** The secret is one of the words that scripts leave behind: `undefined`, `null`. */
  readonly placeholder?: boolean | undefined
  readonly source?: "flag" | "config" | "environment" | "generated" | undefined
}

export interface Facts {
  readonly config: OpenClawConfig
  readonly auth: AuthFacts
  readonly stateDir?: Rights | undefined
  readonly configFile?: Rights | undefined
  readonly tlsKey?: Rights | undefined
  /** Unix milliseconds of the end of the certificate that `gateway.tls` names, where it is there. */
  readonly certificateValidTo?: number | undefined
  /** Unix milliseconds. */
  readonly now: number
}

/** Characters below which a shared secret can be guessed with patience. */
const SHORT_SECRET = 24

const GROUP_WRITE = 0o020
const WORLD_WRITE = 0o002
const GROUP_READ = 0o040
const WORLD_READ = 0o004

type Gateway = NonNullable<OpenClawConfig["gateway"]>

/** Whether other machines reach the listener. `auto` is loopback here. */
const isExposed = ({ bind, customBindHost }: Gateway): boolean =>
  bind === "lan" ||
  bind === "tailnet" ||
  (bind === "custom" && !/^(?:127\.\d+\.\d+\.\d+|\[?::1\]?|localhost)$/.test(customBindHost?.trim() ?? ""))

const octal = (mode: number): string => (mode & 0o777).toString(8).padStart(3, "0")

const files = ({ configFile, stateDir, tlsKey }: Facts): ReadonlyArray<Finding> => {
  const found: Array<Finding> = []
  const add = (checkId: string, severity: Severity, of: Rights, title: string, remediation: string) =>
    found.push({ checkId, severity, title, detail: `${of.path} had mode ${octal(of.mode)}.`, remediation })
  const FIX = "run `openclaw security audit --fix`"
  if (stateDir !== undefined) {
    const { link, mode } = stateDir
    if (link) {
      add(
        "fs.state_dir.symlink",
        "warn",
        stateDir,
        "The state directory is a symbolic link",
        "set OPENCLAW_STATE_DIR to the directory itself"
      )
    } else if ((mode & WORLD_WRITE) !== 0) {
      add("fs.state_dir.perms_world_writable", "critical", stateDir, "Every user can change the Gateway's state", FIX)
    } else if ((mode & GROUP_WRITE) !== 0) {
      add("fs.state_dir.perms_group_writable", "warn", stateDir, "The group can change the Gateway's state", FIX)
    } else if ((mode & (GROUP_READ | WORLD_READ)) !== 0) {
      add("fs.state_dir.perms_readable", "warn", stateDir, "Others can list the state directory", FIX)
    }
  }
  if (configFile !== undefined) {
    const { link, mode } = configFile
    if (link) {
      add(
        "fs.config.symlink",
        "warn",
        configFile,
        "The configuration is a symbolic link",
        "set OPENCLAW_CONFIG_PATH to the file itself"
      )
    } else if ((mode & (WORLD_WRITE | GROUP_WRITE)) !== 0) {
      add("fs.config.perms_writable", "critical", configFile, "Others can change the configuration", FIX)
    } else if ((mode & WORLD_READ) !== 0) {
      add(
        "fs.config.perms_world_readable",
        "critical",
        configFile,
        "Every user can read the secrets in the configuration",
        FIX
      )
    } else if ((mode & GROUP_READ) !== 0) {
      add(
        "fs.config.perms_group_readable",
        "warn",
        configFile,
        "The group can read the secrets in the configuration",
        FIX
      )
    }
  }
  if (tlsKey !== undefined && (tlsKey.mode & (WORLD_READ | WORLD_WRITE | GROUP_WRITE)) !== 0) {
    add(
      "gateway.tls_key_perms",
      "critical",
      tlsKey,
      "Others can take or replace the TLS key",
      `take their rights away: chmod 600 on the key`
    )
  }
  return found
}

const authentication = ({ auth, config }: Facts): ReadonlyArray<Finding> => {
  const gateway = config.gateway ?? {}
  const found: Array<Finding> = []
  if (auth.mode === "none") {
    const exposed = isExposed(gateway)
    found.push({
      checkId: exposed ? "gateway.bind_no_auth" : "gateway.loopback_no_auth",
      severity: "critical",
      title: exposed
        ? "Other machines could come in without a credential"
        : "No credential is asked for on this machine",
      detail: exposed
        ? `gateway.bind is "${gateway.bind}" and gateway.auth.mode is "none"; the Gateway refuses to start so.`
        : 'gateway.auth.mode is "none": every program and user here is an operator, and everyone else too once a proxy or a tunnel leads here.',
      remediation: 'set gateway.auth.mode to "token"'
    })
    if (gateway.http?.endpoints?.chatCompletions?.enabled === true) {
      found.push({
        checkId: "gateway.http.no_auth",
        severity: exposed ? "critical" : "warn",
        title: "The HTTP API answers without a credential",
        detail: "gateway.http.endpoints.chatCompletions is enabled without authentication.",
        remediation: 'set gateway.auth.mode to "token", or disable the endpoint'
      })
    }
  }
  if (auth.mode === "token" || auth.mode === "password") {
    const path =
      auth.source === "environment" ? `OPENCLAW_GATEWAY_${auth.mode.toUpperCase()}` : `gateway.auth.${auth.mode}`
    const make = "make one with `openssl rand -hex 32`"
    if (auth.placeholder === true) {
      found.push({
        checkId: `gateway.${auth.mode}_placeholder_value`,
        severity: "critical",
        title: `The ${auth.mode} is a word that a script left behind`,
        detail: `${path} is "undefined" or "null".`,
        remediation: make
      })
    } else if (auth.secretLength !== undefined && auth.secretLength < SHORT_SECRET) {
      found.push({
        checkId: `gateway.${auth.mode}_too_short`,
        severity: "warn",
        title: `The ${auth.mode} is short`,
        detail: `${path} has ${auth.secretLength} characters; ${SHORT_SECRET} or more are hard to guess.`,
        remediation: make
      })
    }
    if (auth.mode === "password" && auth.source === "config") {
      found.push({
        checkId: "config.secrets.gateway_password_in_config",
        severity: "warn",
        title: "The password stands in the configuration",
        detail: "gateway.auth.password is in the file, and in every copy of it.",
        remediation: "put it into OPENCLAW_GATEWAY_PASSWORD"
      })
    }
  }
  return found
}

const network = ({ certificateValidTo, config, now }: Facts): ReadonlyArray<Finding> => {
  const gateway = config.gateway ?? {}
  const exposed = isExposed(gateway)
  const found: Array<Finding> = []
  if (exposed) {
    found.push({
      checkId: "gateway.bind_exposed",
      severity: "info",
      title: "Other machines reach the Gateway",
      detail: `gateway.bind is "${gateway.bind}"${gateway.bind === "custom" ? ` (${gateway.customBindHost ?? "no address"})` : ""}.`,
      remediation: "let a firewall name who may connect, or bind to loopback and use an SSH tunnel or Tailscale"
    })
    // A tailnet encrypts by itself.
    if (gateway.tls?.enabled !== true && gateway.bind !== "tailnet") {
      found.push({
        checkId: "gateway.bind_no_tls",
        severity: "warn",
        title: "The token and all that is said travel unencrypted",
        detail: `gateway.bind is "${gateway.bind}" and gateway.tls is off: everyone on that network can read along.`,
        remediation: "set gateway.tls.enabled to true, or bind to loopback and use an SSH tunnel or Tailscale"
      })
    }
  }
  if (gateway.controlUi?.allowedOrigins?.includes("*") === true) {
    found.push({
      checkId: "gateway.control_ui.allowed_origins_wildcard",
      severity: exposed ? "critical" : "warn",
      title: "Every web page may connect",
      detail: 'gateway.controlUi.allowedOrigins has "*": a page that somebody opens needs only the credential.',
      remediation: "list the exact origins"
    })
  }
  if (certificateValidTo !== undefined && certificateValidTo < now) {
    found.push({
      checkId: "gateway.tls_expired",
      severity: "warn",
      title: "The certificate has expired",
      detail: `It was valid until ${DateTime.formatIso(DateTime.makeUnsafe(certificateValidTo))}; only clients that pin it connect.`,
      remediation: "replace the files of gateway.tls; a running Gateway takes them over by itself"
    })
  }
  return found
}

const telegram = ({ config }: Facts): ReadonlyArray<Finding> => {
  const section = config.channels?.telegram
  if (section === undefined || section.enabled === false) return []
  const accounts = [
    { path: "channels.telegram", account: section },
    ...Object.entries(section.accounts ?? {}).map(([id, account]) => ({
      path: `channels.telegram.accounts.${id}`,
      account
    }))
  ].filter(({ account }) => account.enabled !== false)
  return accounts.flatMap(({ account, path }): ReadonlyArray<Finding> => [
    ...(account.dmPolicy === "open"
      ? [
          {
            checkId: "channels.telegram.dm.open",
            severity: "critical" as const,
            title: "Everybody may write to the bot",
            detail: `${path}.dmPolicy is "open".`,
            remediation: `set ${path}.dmPolicy to "pairing" or "allowlist"`
          }
        ]
      : []),
    ...(account.groupPolicy === "open"
      ? [
          {
            checkId: "channels.telegram.group.open",
            severity: "warn" as const,
            title: "Every group that adds the bot may talk to it",
            detail: `${path}.groupPolicy is "open".`,
            remediation: `set ${path}.groupPolicy to "allowlist"`
          }
        ]
      : [])
  ])
}

const rank: Readonly<Record<Severity, number>> = { critical: 0, warn: 1, info: 2 }

/** All findings, the worst first. */
export const audit = (facts: Facts): ReadonlyArray<Finding> =>
  [...authentication(facts), ...network(facts), ...telegram(facts), ...files(facts)].toSorted(
    (a, b) => rank[a.severity] - rank[b.severity]
  )
