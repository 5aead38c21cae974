/**
 * What else a Gateway stands on: ssh and its tunnels, Tailscale, and what is open to others.
 */
import { join } from "node:path"
import * as Effect from "effect/Effect"
import * as FileSystem from "effect/FileSystem"
import { ChildProcessSpawner } from "effect/process/ChildProcessSpawner"
import { audit } from "../../../layers/security/audit.ts"
import { look } from "../../../layers/security/look.ts"
import { withoutSuppressed } from "../../../layers/security/suppressions.ts"
import * as Program from "../../../layers/service/run.ts"
import { FOLDER } from "../../../client/tunnel/sharedFiles.ts"
import * as Tunnels from "../../../client/tunnel/sharedLook.ts"
import { Environment } from "../../Environment.ts"
import { count, plain } from "../../output.ts"
import * as State from "../../state.ts"
import { caught, type Check, error, info, ok, partsOf, warn } from "./Check.ts"
import type { Subject } from "./Subject.ts"
import { tailscaleChecks } from "./tailscale.ts"

/** Milliseconds for a program to answer. */
const PROGRAM_WITHIN = "3 seconds"

const tunnelOf = (found: Tunnels.Found, program: string): Check => {
  const { state, target } = found.status
  const name = `the tunnel to ${plain(target)}`
  if (state._tag === "Up") return ok("ssh", "tunnel", `${name} is up (${Math.round(state.roundTripMs)} ms)`)
  if (state._tag === "Connecting" && state.error === undefined) return info("ssh", "tunnel", `${name} is being opened`)
  const said = partsOf(state.error?.message ?? "it is down")
  const fix = said.fix ?? `\`${program} tunnel logs\` shows its way`
  return (state._tag === "Stopped" ? error : warn)(
    "ssh",
    "tunnel",
    `${name} is ${state._tag === "Stopped" ? "given up" : "down"}: ${said.detail}`,
    { fix }
  )
}

export const ssh = ({ before, config, program, root }: Subject) =>
  Effect.gen(function* () {
    const fs = yield* FileSystem.FileSystem
    const { variables } = yield* Environment
    const run = Program.make(yield* ChildProcessSpawner, variables)
    const asked = (name: string, ...args: ReadonlyArray<string>) =>
      run(name, args).pipe(
        Effect.timeout(PROGRAM_WITHIN),
        Effect.orElseSucceed(() => "missing" as const)
      )
    const has =
      before.root?.kind === "directory" && (yield* Effect.orElseSucceed(fs.exists(join(root, FOLDER)), () => false))
    const tunnels = has ? yield* Effect.provide(Tunnels.all, State.stateDir) : []
    const remote = config.gateway?.remote
    const wanted = tunnels.length > 0 || (remote?.sshTarget !== undefined && remote.transport !== "direct")
    const version = yield* asked("ssh", "-V")
    if (version === "missing") {
      return [
        wanted
          ? error("ssh", "program", "ssh is not installed, and a Gateway is to be reached through it", {
              fix: "install OpenSSH's client (`apt install openssh-client`)"
            })
          : info("ssh", "program", "ssh is not installed; nothing here wants it")
      ]
    }
    const name = plain(version.stderr.split(/[,\n]/, 1)[0] ?? "ssh")
    if (!wanted) return [ok("ssh", "program", `${name}; no tunnel is in use`)]
    const keys = yield* asked("ssh-add", "-l")
    const agent =
      remote?.sshIdentity !== undefined || (keys !== "missing" && keys.code === 0)
        ? []
        : [
            info("ssh", "agent", "no ssh agent holds a key, so that only keys without a passphrase work", {
              fix: "`ssh-add` loads yours; or name one with gateway.remote.sshIdentity"
            })
          ]
    return [ok("ssh", "program", name), ...agent, ...tunnels.map((tunnel) => tunnelOf(tunnel, program))]
  }).pipe(caught("ssh", "tunnel"))

/** All of its findings, and where nothing is amiss one line. */
export const tailscale = (subject: Subject) =>
  Effect.gen(function* () {
    if (!subject.file.valid) return [info("tailscale", "config", "not looked at: the configuration cannot be read")]
    const checks = yield* tailscaleChecks
    const found = checks.filter(({ status }) => status === "warn" || status === "error")
    if (found.length > 0)
      return found.map(({ detail, fix, id, status }) =>
        (status === "error" ? error : warn)("tailscale", id, plain(detail), {
          fix: fix === undefined ? undefined : plain(fix)
        })
      )
    const away = checks.find(({ id, status }) => (id === "program" || id === "daemon") && status === "info")
    return [
      away === undefined
        ? ok("tailscale", "daemon", "connected; `openclaw doctor tailscale` shows all of it")
        : info("tailscale", away.id, `${plain(away.detail)}; nothing here wants it`)
    ]
  }).pipe(caught("tailscale", "program"))

/** Only how much there is: `security audit` is the place for it. */
export const security = ({ file, owner, program, root }: Subject) =>
  Effect.gen(function* () {
    if (!file.valid) return [info("security", "audit", "not looked at: the configuration cannot be read")]
    const { variables } = yield* Environment
    const { facts } = yield* look({ stateDir: root, env: variables, pid: owner?.pid })
    const { active } = withoutSuppressed(facts.config, audit(facts))
    const critical = active.filter(({ severity }) => severity === "critical")
    const warned = active.filter(({ severity }) => severity === "warn").length
    const fix = `\`${program} security audit\` says what, and what to do`
    if (critical.length > 0)
      return [
        error(
          "security",
          "audit",
          `${count(critical.length, "critical finding")}: ${critical
            .map(({ title }) => title)
            .slice(0, 3)
            .join("; ")}`,
          { fix }
        )
      ]
    return [
      warned > 0
        ? info("security", "audit", `nothing critical; ${count(warned, "thing")} to look at`, { fix })
        : ok("security", "audit", "nothing critical")
    ]
  }).pipe(Effect.provide(State.config), caught("security", "audit"))
