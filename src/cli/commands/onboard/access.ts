/**
 * Step 3: where the Gateway listens, and how it knows its friends.
 */
import * as Effect from "effect/Effect"
import * as FileSystem from "effect/FileSystem"
import * as Option from "effect/Option"
import * as Redacted from "effect/Redacted"
import * as Result from "effect/Result"
import * as Schema from "effect/Schema"
import * as ConfigLayer from "../../../layers/config/Config.ts"
import { resolveHost } from "../../../layers/gateway/bind.ts"
import { audit, type Finding } from "../../../layers/security/audit.ts"
import { look } from "../../../layers/security/look.ts"
import { OpenClawConfig } from "../../../services/ConfigSchema.ts"
import { Environment } from "../../Environment.ts"
import { CommandFailed } from "../../errors.ts"
import { owner } from "../../gateway.ts"
import { plain } from "../../output.ts"
import { holdersOf } from "../../service/holders.ts"
import * as State from "../../state.ts"
import { type Decided, inEnvironment, type Secret, set } from "./Draft.ts"
import { fromVariable, inFile, type OnboardFlags, type Reader } from "./flags.ts"

export type Bind = "loopback" | "lan" | "tailnet"

export interface Access {
  readonly port: number
  readonly bind: Bind
  readonly auth: "token" | "password"
  /** `undefined`: what is there stays; where there is no token, the Gateway makes one at its first start. */
  readonly secret?: Secret | undefined
}

export const BIND_WORDS: Readonly<Record<Bind, string>> = {
  loopback: "this machine only",
  tailnet: "this machine and your tailnet",
  lan: "every network that this machine is on"
}

/** As it is configured, or would be by default. */
export const presentOf = ({ gateway }: OpenClawConfig, defaultPort: number): Access => ({
  port: gateway?.port ?? defaultPort,
  bind: gateway?.bind === "lan" || gateway?.bind === "tailnet" ? gateway.bind : "loopback",
  auth:
    gateway?.auth?.mode === "password" || (gateway?.auth?.mode === undefined && gateway?.auth?.password !== undefined)
      ? "password"
      : "token"
})

const AT = ["gateway"]

export const decided = (access: Access, present: OpenClawConfig, defaultPort: number): Decided => {
  const before = present.gateway
  return {
    changes: [
      set([...AT, "mode"], "local"),
      ...(access.port === (before?.port ?? defaultPort) ? [] : [set([...AT, "port"], access.port)]),
      ...(access.bind === (before?.bind ?? "loopback") ? [] : [set([...AT, "bind"], access.bind)]),
      ...(access.auth === before?.auth?.mode ? [] : [set([...AT, "auth", "mode"], access.auth)]),
      ...(access.secret === undefined ? [] : [set([...AT, "auth", access.auth], access.secret.stored)])
    ],
    shown: `port ${access.port}, ${BIND_WORDS[access.bind]}; by ${access.auth}${
      typeof access.secret?.stored === "object" ? ` in ${access.secret.stored.id}` : ""
    }`,
    report: { port: access.port, bind: access.bind, auth: access.auth }
  }
}

/** Who has a port that the Gateway is to listen on; `undefined` when nobody, or this profile's own Gateway. */
export const portProblem = Effect.fnUntraced(function* (port: number) {
  const [first] = (yield* holdersOf(port)) ?? []
  if (first === undefined) return undefined
  const own = Option.getOrUndefined(yield* owner)
  if (own !== undefined && (first.pid === own.pid || own.url?.endsWith(`:${port}`) === true)) return undefined
  const who =
    first.pid === undefined
      ? "another user's program"
      : `pid ${first.pid}${first.command === undefined ? "" : ` (${plain(first.command)})`}`
  return `port ${port} is held by ${who}; take another one, or end that program`
})

/** Why the Gateway could not listen there; `undefined` when it could. */
export const bindProblem = (bind: Bind): Effect.Effect<string | undefined> =>
  Effect.match(resolveHost(bind, undefined), { onSuccess: () => undefined, onFailure: ({ message }) => message })

const decodeConfig = Schema.decodeUnknownEffect(OpenClawConfig)

/** What `security audit` would say of the choice, where that is worth a thought. */
export const concerns = Effect.fn("cli.onboard.concerns")(function* (access: Access) {
  const { variables } = yield* Environment
  const { configFile, root } = yield* State.plan
  const fs = yield* FileSystem.FileSystem
  const secret = access.secret === undefined ? undefined : Redacted.value(access.secret.value)
  const overrides = yield* Effect.orDie(
    decodeConfig({
      gateway: {
        mode: "local",
        bind: access.bind,
        port: access.port,
        auth: { mode: access.auth, ...(secret === undefined ? undefined : { [access.auth]: secret }) }
      }
    })
  )
  const looked = yield* look({ stateDir: root, env: variables }).pipe(
    Effect.provide(ConfigLayer.layer({ file: configFile, env: variables, overrides })),
    Effect.provideService(FileSystem.FileSystem, fs),
    Effect.result
  )
  if (Result.isFailure(looked)) return []
  return audit(looked.success.facts).filter(
    ({ checkId, severity }: Finding) => severity !== "info" && checkId.startsWith("gateway.")
  )
})

/** Whether the flags say anything of this step. */
export const isGiven = (flags: OnboardFlags): boolean =>
  flags.gatewayPort !== undefined ||
  flags.gatewayBind !== undefined ||
  flags.gatewayAuth !== undefined ||
  flags.gatewayToken !== undefined ||
  flags.gatewayTokenRefEnv !== undefined ||
  flags.gatewayPassword !== undefined

const refused = (what: string, fix: string) => new CommandFailed({ message: `${what}\nFix: ${fix}` })

const secretFrom = Effect.fnUntraced(function* (flags: OnboardFlags, reader: Reader, auth: Access["auth"]) {
  const { gatewayPassword, gatewayToken, gatewayTokenRefEnv } = flags
  if (gatewayToken !== undefined && gatewayTokenRefEnv !== undefined) {
    return yield* refused("--gateway-token and --gateway-token-ref-env both name the token.", "give one of them.")
  }
  if (auth === "password") {
    const given = yield* reader.flag("gateway-password", gatewayPassword)
    if (given !== undefined) return inFile(given)
    // Whatever is configured is not replaced by what a shell happens to carry.
    return flags.gatewayAuth === "password" ? yield* fromVariable("OPENCLAW_GATEWAY_PASSWORD") : undefined
  }
  if (gatewayTokenRefEnv !== undefined) {
    const found = yield* fromVariable(gatewayTokenRefEnv)
    if (found !== undefined) return { ...found, stored: inEnvironment(gatewayTokenRefEnv) }
    return yield* refused(
      `--gateway-token-ref-env ${plain(gatewayTokenRefEnv)}: that variable has no value here.`,
      "set it, here and where the Gateway runs."
    )
  }
  const given = yield* reader.flag("gateway-token", gatewayToken)
  return given === undefined ? undefined : inFile(given)
})

/** The whole step by flags; what they do not say stays as it is. */
export const byFlags = Effect.fn("cli.onboard.access")(function* (
  flags: OnboardFlags,
  reader: Reader,
  present: OpenClawConfig
) {
  const { defaultPort } = yield* State.plan
  const now = presentOf(present, defaultPort)
  const auth = flags.gatewayAuth ?? (flags.gatewayPassword === undefined ? now.auth : "password")
  const secret = yield* secretFrom(flags, reader, auth)
  if (auth === "password" && secret === undefined && present.gateway?.auth?.password === undefined) {
    return yield* refused(
      "--gateway-auth password needs a password.",
      "pass --gateway-password -, with it on standard input."
    )
  }
  const access: Access = { port: flags.gatewayPort ?? now.port, bind: flags.gatewayBind ?? now.bind, auth, secret }
  const problem = flags.skipChecks
    ? undefined
    : ((yield* portProblem(access.port)) ?? (yield* bindProblem(access.bind)))
  if (problem !== undefined) {
    const [what = "", fix = "choose another with --gateway-port or --gateway-bind"] = problem.split(/; |\nFix: /)
    return yield* refused(`${what}.`, `${fix}.`)
  }
  return decided(access, present, defaultPort)
})
