import { networkInterfaces } from "node:os"
import { resolve } from "node:path"
import * as Clock from "effect/Clock"
import * as Effect from "effect/Effect"
import * as Fiber from "effect/Fiber"
import * as Option from "effect/Option"
import * as Redacted from "effect/Redacted"
import * as Result from "effect/Result"
import type { TargetInput } from "../../../client/credentials.ts"
import { parse as parseSsh } from "../../../domain/SshTarget.ts"
import { tailnetAddress } from "../../../layers/gateway/bind.ts"
import { Redactor } from "../../../layers/logging/Redactor.ts"
import { Config } from "../../../services/Config.ts"
import {
  type Candidate,
  discovered as candidatesIn,
  known,
  type SshAsked,
  sshTargetOf,
  withIdentity
} from "../../candidates.ts"
import { discovered } from "../../discovery.ts"
import { Environment } from "../../Environment.ts"
import { CommandFailed, NotWell, tell } from "../../errors.ts"
import { owner } from "../../gateway.ts"
import { connection } from "../../globals.ts"
import { print } from "../../output.ts"
import { ownCertificate } from "../../ownCertificate.ts"
import { probeTarget } from "../../probeTarget.ts"
import { waiting } from "../../progress.ts"
import * as State from "../../state.ts"
import { unresolvedSecrets } from "../../unresolved.ts"
import * as Report from "./probeReport.ts"

interface Flags {
  readonly port: number | undefined
  readonly ssh: string | undefined
  readonly sshIdentity: string | undefined
  readonly sshAuto: boolean
  readonly timeout: number
}

/** Milliseconds to look around; longer where what is found decides what is done. */
const LOOK_MS = 700
const LOOK_FOR_SSH_MS = 2000

/** What decides; a configuration that is broken does not stand in the way of an address that was given outright. */
const inputOf = Effect.fnUntraced(function* ({ port }: Flags) {
  const { home, variables } = yield* Environment
  const flags = yield* connection
  const explicit = (flags.url ?? variables["OPENCLAW_GATEWAY_URL"] ?? "").trim() !== ""
  const read = Effect.all({ config: Effect.flatMap(Config, ({ get }) => get), unresolved: unresolvedSecrets }).pipe(
    Effect.provide(State.config)
  )
  const { config, unresolved }: Pick<TargetInput, "config" | "unresolved"> = yield* explicit
    ? Effect.orElseSucceed(read, () => ({ config: {}, unresolved: [] }))
    : read
  const { defaultPort } = yield* State.plan
  // A port is this machine's Gateway's, whichever one other commands mean.
  const meant = port === undefined ? config : { ...config, gateway: { ...config.gateway, mode: "local" as const } }
  const input: TargetInput = {
    flags,
    env: port === undefined ? variables : { ...variables, OPENCLAW_GATEWAY_PORT: String(port) },
    config: meant,
    unresolved,
    home,
    defaultPort,
    running: port === undefined ? Option.getOrUndefined(yield* owner)?.url : undefined,
    ownCertificate: yield* ownCertificate(config)
  }
  return input
})

/** Secrets of all of them are kept out of whatever is printed. */
const redact = Effect.fnUntraced(function* (candidates: ReadonlyArray<Candidate>) {
  const redactor = yield* Effect.serviceOption(Redactor)
  if (Option.isNone(redactor)) return
  const targets = candidates.flatMap(({ target }) => (Result.isSuccess(target) ? [target.success] : []))
  yield* redactor.value.add(
    targets.flatMap(({ credentials }) => credentials.map(({ secret }) => Redacted.value(secret)))
  )
})

const identityFileOf = Effect.fnUntraced(function* (given: string | undefined) {
  const { cwd, home } = yield* Environment
  if (given === undefined) return undefined
  return given.startsWith("~/") ? resolve(home, given.slice(2)) : resolve(cwd, given)
})

/** Compares every Gateway that is known here. Exit code 1 when none of them could be reached. */
export const run = Effect.fn("cli.gateway.probe")(function* (flags: Flags) {
  const started = yield* Clock.currentTimeMillis
  const input = yield* inputOf(flags)
  const identityFile = yield* identityFileOf(flags.sshIdentity)
  const named: SshAsked | undefined =
    flags.ssh === undefined
      ? undefined
      : {
          target: yield* Effect.fromResult(parseSsh(flags.ssh, "--ssh")),
          remotePort: flags.port,
          discovered: false
        }
  const auto = flags.sshAuto && named === undefined
  const discoveryMs = Math.min(flags.timeout, auto ? LOOK_FOR_SSH_MS : LOOK_MS)
  const report = yield* Effect.gen(function* () {
    const looking = yield* Effect.forkChild(discovered(discoveryMs))
    const around = Fiber.join(looking)
    const sshTarget = auto ? (yield* around).beacons.flatMap(({ host }) => sshTargetOf(host) ?? [])[0] : undefined
    const ssh =
      named ?? (sshTarget === undefined ? undefined : { target: sshTarget, remotePort: flags.port, discovered: true })
    const isConfigured = ({ kind }: Candidate) => kind === "configRemote" || (kind === "sshTunnel" && ssh === undefined)
    const here = known(input, ssh)
      .filter((candidate) => flags.port === undefined || !isConfigured(candidate))
      .map((candidate) => withIdentity(candidate, identityFile))
    if (identityFile !== undefined && !auto && here.every(({ kind }) => kind !== "sshTunnel")) {
      return yield* new CommandFailed({
        message:
          "--ssh-identity is given, but there is nobody to log in to.\nFix: name a host with --ssh, or use --ssh-auto."
      })
    }
    yield* redact(here)
    // What is meant fails as it does for every other command when the settings of it are wrong.
    yield* Effect.forEach(
      here.filter(({ active }) => active),
      ({ target }) => Effect.fromResult(target)
    )
    const probing = (candidates: ReadonlyArray<Candidate>) =>
      Effect.forEach(candidates, (candidate) => probeTarget(candidate, flags.timeout), { concurrency: "unbounded" })
    const neighbours = Effect.gen(function* () {
      const found = yield* around
      return { found, theirs: yield* probing(candidatesIn(found.beacons)) }
    })
    const [ours, { found, theirs }] = yield* Effect.all([probing(here), neighbours], { concurrency: 2 })
    const own = Object.values(networkInterfaces()).flatMap((addresses) => addresses ?? [])
    const { config } = input
    const result: Report.Report = {
      looked: [...ours, ...theirs],
      found,
      discoveryMs,
      nobodyToLogInTo: auto && ssh === undefined,
      tailnetIPv4: tailnetAddress(own.filter(({ family }) => family === "IPv4")),
      tailnetBind: config.gateway?.bind === "tailnet"
    }
    return result
  }).pipe(waiting("Looking for Gateways"))
  const ts = yield* Clock.currentTimeMillis
  const answer = Report.json(report)
  yield* print({ ...answer, ts, durationMs: ts - started, timeoutMs: flags.timeout }, () => Report.lines(report))
  for (const { candidate, error } of report.looked) if (candidate.active) yield* tell(error?.message)
  if (!answer.ok) return yield* new NotWell({})
})
