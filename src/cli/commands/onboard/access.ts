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

/** `undefined`: as it is configured, which is another way than onboarding asks for (`custom`, `trusted-proxy`). */
export interface Access {
  readonly port: number
  readonly bind: Bind | undefined
  readonly auth: "token" | "password" | undefined
  /** `undefined`: what is there stays; where there is no token, the Gateway makes one at its first start. */
  readonly secret?: Secret | undefined
}

export const BIND_WORDS: Readonly<Record<Bind, string>> = {
  loopback: "this machine only",
  tailnet: "this machine and your tailnet",
  lan: "every network that this machine is on"
}

const authOf = (auth: NonNullable<OpenClawConfig["gateway"]>["auth"]): Access["auth"] => {
  if (auth?.mode === undefined) return auth?.password === undefined ? "token" : "password"
  return auth.mode === "token" || auth.mode === "password" ? auth.mode : undefined
}

/** As it is configured, or would be by default. */
export const presentOf = ({ gateway }: OpenClawConfig, defaultPort: number): Access => ({
  port: gateway?.port ?? defaultPort,
  bind: gateway?.bind === "custom" || gateway?.bind === "auto" ? undefined : (gateway?.bind ?? "loopback"),
  auth: authOf(gateway?.auth)
})

const AT = ["gateway"]

export const decided = (access: Access, present: OpenClawConfig, defaultPort: number): Decided => {
  const before = present.gateway
  return {
    changes: [
      set([...AT, "mode"], "local"),
      ...(access.port === (before?.port ?? defaultPort) ? [] : [set([...AT, "port"], access.port)]),
      ...(access.bind === undefined || access.bind === (before?.bind ?? "loopback")
        ? []
        : [set([...AT, "bind"], access.bind)]),
      ...(access.auth === undefined || access.auth === before?.auth?.mode
        ? []
        : [set([...AT, "auth", "mode"], access.auth)]),
      ...(access.auth === undefined || access.secret === undefined
        ? []
        : [set([...AT, "auth", access.auth], access.secret.stored)])
    ],
    shown: `port ${access.port}, ${access.bind === undefined ? `bind ${before?.bind}` : BIND_WORDS[access.bind]}; by ${
      access.auth ?? before?.auth?.mode
    }${typeof access.secret?.stored === "object" ? ` in ${access.secret.stored.id}` : ""}`,
    report: { port: access.port, bind: access.bind ?? before?.bind, auth: access.auth ?? before?.auth?.mode }
  }
}

/** What is in the way, and what to do, each without its full stop. */
interface Problem {
  readonly what: string
  readonly fix: string
}

export const inWords = ({ fix, what }: Problem): string => `${what}; ${fix}`

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
  return { what: `port ${port} is held by ${who}`, fix: "take another one, or end that program" } satisfies Problem
})

/** Why the Gateway could not listen there; `undefined` when it could. */
export const bindProblem = (bind: Access["bind"]): Effect.Effect<string | undefined> =>
  bind === undefined
    ? Effect.undefined
    : Effect.match(resolveHost(bind, undefined), { onSuccess: () => undefined, onFailure: ({ message }) => message })

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
        ...(access.bind === undefined ? undefined : { bind: access.bind }),
        port: access.port,
        ...(access.auth === undefined
          ? undefined
          : { auth: { mode: access.auth, ...(secret === undefined ? undefined : { [access.auth]: secret }) } })
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

/** The way that the flags mean, also where they only give its secret. */
const authBy = Effect.fnUntraced(function* (flags: OnboardFlags, now: Access["auth"]) {
  const byToken = flags.gatewayToken !== undefined || flags.gatewayTokenRefEnv !== undefined
  const byPassword = flags.gatewayPassword !== undefined
  const auth = flags.gatewayAuth ?? (byPassword ? "password" : byToken ? "token" : now)
  if (auth === "password" ? !byToken : !byPassword) return auth
  return yield* refused(
    `a ${auth === "password" ? "token" : "password"} is given, and the Gateway would not ask for it: it would know its friends by a ${auth}.`,
    "give the secret of one way, with the --gateway-auth of the same name."
  )
})

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
  const auth = yield* authBy(flags, now.auth)
  const secret = yield* secretFrom(flags, reader, auth)
  if (auth === "password" && secret === undefined && present.gateway?.auth?.password === undefined) {
    return yield* refused(
      "--gateway-auth password needs a password.",
      "pass --gateway-password -, with it on standard input."
    )
  }
  const access: Access = { port: flags.gatewayPort ?? now.port, bind: flags.gatewayBind ?? now.bind, auth, secret }
  if (!flags.skipChecks) {
    const held = yield* portProblem(access.port)
    if (held !== undefined) return yield* refused(`${held.what}.`, `${held.fix}.`)
    const missing = yield* bindProblem(access.bind)
    if (missing !== undefined) return yield* new CommandFailed({ message: missing })
  }
  return decided(access, present, defaultPort)
})
