/**
 * What the rights of files let others do.
 */
import { type Facts, type Finding, finding, type Rights, type Severity } from "./Finding.ts"

const GROUP_WRITE = 0o020
const WORLD_WRITE = 0o002
const GROUP_READ = 0o040
const WORLD_READ = 0o004

/** Files beyond which an audit says only how many more there are. */
const MOST = 20

const octal = (mode: number): string => (mode & 0o777).toString(8).padStart(3, "0")
const has = ({ mode }: Rights, bits: number): boolean => (mode & bits) !== 0

const FIX = "run `openclaw security audit --fix`"

const of = (checkId: string, severity: Severity, { mode, path }: Rights, title: string, remediation: string): Finding =>
  finding(checkId, severity, title, `${path} had mode ${octal(mode)}.`, remediation)

const foreign = (checkId: string, rights: Rights): Finding =>
  finding(
    checkId,
    "critical",
    "Another user owns it and can open it to anybody",
    `${rights.path} belongs to another user.`,
    `give it to yourself: sudo chown on ${rights.path}`
  )

const stateDir = (dir: Rights | undefined): Finding | undefined => {
  if (dir === undefined) return undefined
  if (dir.kind === "link") {
    const fix = "set OPENCLAW_STATE_DIR to the directory itself"
    return of("fs.state_dir.symlink", "warn", dir, "The state directory is a symbolic link", fix)
  }
  if (dir.kind !== "directory") {
    const fix = "move it away, or set OPENCLAW_STATE_DIR to a directory"
    return of("fs.state_dir.not_a_directory", "critical", dir, "The state directory is no directory", fix)
  }
  if (dir.foreign === true) return foreign("fs.state_dir.owner", dir)
  if (has(dir, WORLD_WRITE)) {
    return of("fs.state_dir.perms_world_writable", "critical", dir, "Every user can change the Gateway's state", FIX)
  }
  if (has(dir, GROUP_WRITE)) {
    return of("fs.state_dir.perms_group_writable", "warn", dir, "The group can change the Gateway's state", FIX)
  }
  return has(dir, GROUP_READ | WORLD_READ)
    ? of("fs.state_dir.perms_readable", "warn", dir, "Others can list the state directory", FIX)
    : undefined
}

const configFile = (file: Rights | undefined): Finding | undefined => {
  if (file === undefined) return undefined
  if (file.kind === "link") {
    const fix = "set OPENCLAW_CONFIG_PATH to the file itself"
    return of("fs.config.symlink", "warn", file, "The configuration is a symbolic link", fix)
  }
  if (file.foreign === true) return foreign("fs.config.owner", file)
  if (has(file, WORLD_WRITE | GROUP_WRITE)) {
    return of("fs.config.perms_writable", "critical", file, "Others can change the configuration", FIX)
  }
  if (has(file, WORLD_READ)) {
    const title = "Every user can read the secrets in the configuration"
    return of("fs.config.perms_world_readable", "critical", file, title, FIX)
  }
  return has(file, GROUP_READ)
    ? of("fs.config.perms_group_readable", "warn", file, "The group can read the secrets in the configuration", FIX)
    : undefined
}

const stateFile = (file: Rights): Finding | undefined => {
  if (file.kind === "other") {
    const title = "Something that is no file stands where state belongs"
    return of("fs.state_file.kind", "critical", file, title, `look what made it, and remove ${file.path}`)
  }
  if (file.kind === "link") {
    const title = "State lies behind a symbolic link"
    return of("fs.state_file.symlink", "warn", file, title, "put the file itself there")
  }
  if (file.foreign === true) return foreign("fs.state_file.owner", file)
  if (has(file, WORLD_WRITE | GROUP_WRITE)) {
    return of("fs.state_file.perms_writable", "critical", file, "Others can change a part of the state", FIX)
  }
  return has(file, WORLD_READ | GROUP_READ)
    ? of("fs.state_file.perms_readable", "warn", file, "Others can read a part of the state", FIX)
    : undefined
}

const tlsKey = (key: Rights | undefined): Finding | undefined =>
  key !== undefined && has(key, WORLD_READ | WORLD_WRITE | GROUP_WRITE)
    ? of(
        "gateway.tls_key_perms",
        "critical",
        key,
        "Others can take or replace the TLS key",
        "take their rights away: chmod 600 on the key"
      )
    : undefined

export const files = (facts: Facts): ReadonlyArray<Finding> => {
  const found = (facts.stateFiles ?? []).map(stateFile).filter((each) => each !== undefined)
  const more = found.length - MOST
  return [
    stateDir(facts.stateDir),
    configFile(facts.configFile),
    tlsKey(facts.tlsKey),
    ...found.slice(0, MOST),
    more > 0
      ? finding(
          "fs.state_file.more",
          "warn",
          "More of the state is open to others than is listed",
          `${more} more files in the state directory have rights of others, or are none.`,
          FIX
        )
      : undefined
  ].filter((each) => each !== undefined)
}
