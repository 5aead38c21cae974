/**
 * Looks at what `audit` judges. Nothing is made.
 */
import { join } from "node:path"
import * as Process from "node:process"
import * as Clock from "effect/Clock"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import * as FileSystem from "effect/FileSystem"
import * as Option from "effect/Option"
import * as Redacted from "effect/Redacted"
import * as Result from "effect/Result"
import * as Schema from "effect/Schema"
import { closed, Document, FILE, policyOf } from "../../services/ApprovalsFile.ts"
import { Config } from "../../services/Config.ts"
import { LEFT_BEHIND, resolveCredential, settingError } from "../config/gatewayAuth.ts"
import { substitute } from "../config/substitute.ts"
import { certificateIn } from "../gateway/tls/certificate.ts"
import { filesOf } from "../gateway/tls/settings.ts"
import { inspect } from "../state-dir/privateFiles.ts"
import { followed, secretFlagsIn, shown, toldIn, type Told } from "./commandLine.ts"
import { dangerousFlagsIn } from "./dangerousFlags.ts"
import type { AuthFacts, ExecRule, Facts, Rights } from "./Finding.ts"

const decodeApprovals = Schema.decodeUnknownExit(Schema.fromJsonString(Document))

/** Files of the state directory that are looked at, and folders one in the other. */
const MOST_FILES = 5_000
const DEEPEST = 4
/** What a user keeps there for the agent is their own business. */
const foreignGround = /^(?:workspace.*|node_modules|\.git)$/

const kinds: Readonly<Record<string, Rights["kind"]>> = {
  Directory: "directory",
  File: "file",
  // Only its owner connects where its mode says so.
  Socket: "file",
  SymbolicLink: "link"
}

/** What stands at a path now, links not followed; `undefined`: nothing. */
export const rights = Effect.fnUntraced(function* (path: string) {
  const found = yield* inspect(yield* FileSystem.FileSystem, path)
  return Option.getOrUndefined(
    Option.map(found, ({ mode, type, uid }): Rights => {
      const mine = Process.getuid?.()
      const owner = Option.getOrUndefined(uid)
      return {
        path,
        mode: mode & 0o777,
        kind: kinds[type] ?? "other",
        ...(mine === undefined || owner === undefined || owner === mine ? undefined : { foreign: true })
      }
    })
  )
})

/** The same of what a link leads to: a link's own mode says nothing. */
const rightsBehind = Effect.fnUntraced(function* (path: string) {
  const fs = yield* FileSystem.FileSystem
  const found = yield* rights(path)
  if (found?.kind !== "link") return found
  return yield* Effect.orElseSucceed(Effect.flatMap(fs.realPath(path), rights), () => undefined)
})

/** What lies in a folder, links not followed. What cannot be listed has no rights of others, or says so itself. */
export const within = Effect.fnUntraced(function* (root: string) {
  const fs = yield* FileSystem.FileSystem
  const found: Array<Rights> = []
  const folders: Array<{ readonly path: string; readonly depth: number }> = [{ path: root, depth: 0 }]
  for (let folder = folders.shift(); folder !== undefined && found.length < MOST_FILES; folder = folders.shift()) {
    const names = yield* Effect.orElseSucceed(fs.readDirectory(folder.path), () => [])
    for (const name of names.toSorted()) {
      const path = join(folder.path, name)
      if (foreignGround.test(name) || found.length >= MOST_FILES) continue
      const each = yield* Effect.orElseSucceed(rights(path), () => undefined)
      if (each === undefined) continue
      found.push(each)
      if (each.kind === "directory" && folder.depth + 1 < DEEPEST) folders.push({ path, depth: folder.depth + 1 })
    }
  }
  return found
})

type Env = Readonly<Record<string, string | undefined>>

const authOf = Effect.fnUntraced(function* (env: Env, missing: ReadonlyArray<string>, auth: Told["auth"]) {
  const config = yield* Config
  const current = yield* config.get
  const found = resolveCredential({ flags: { auth }, env, config: current })
  const mode = auth ?? current.gateway?.auth?.mode ?? "token"
  if (Result.isFailure(found)) {
    const { path, value } = found.failure
    if (value === LEFT_BEHIND) {
      const source = path.startsWith("OPENCLAW_") ? "environment" : "config"
      return { mode: /password/i.test(path) ? "password" : "token", placeholder: true, source } satisfies AuthFacts
    }
    return { mode, unresolved: settingError(config.file, found.failure).message } satisfies AuthFacts
  }
  const own = missing.filter((text) => text.startsWith("gateway.auth."))
  if (Option.isNone(found.success)) {
    // Where there is none, a long one is made at the first start; but not in the place of one that has no value here.
    return own.length === 0
      ? ({ mode: "token", source: "generated" } satisfies AuthFacts)
      : ({ mode, unresolved: own.join("; ") } satisfies AuthFacts)
  }
  const { value } = found.success
  if (value.mode === "none" || value.mode === "trusted-proxy") return { mode: value.mode } satisfies AuthFacts
  const secret = Redacted.value(value.mode === "token" ? value.token : value.password)
  return {
    mode: value.mode,
    source: value.source,
    secretLength: secret.length
  } satisfies AuthFacts
})

/** What this machine's own list of programs says. A list that cannot be read allows nothing. */
const execRulesOf = Effect.fnUntraced(function* (stateDir: string) {
  const fs = yield* FileSystem.FileSystem
  const text = yield* Effect.orElseSucceed(fs.readFileString(join(stateDir, FILE)), () => undefined)
  const read = text === undefined ? undefined : decodeApprovals(text)
  if (read === undefined || Exit.isFailure(read)) return []
  const document = read.value
  const agents = Object.entries(document.agents ?? {})
  return [
    { where: "defaults", own: document.defaults, agentId: undefined },
    ...agents.map(([id, own]) => ({ where: `agents.${id}`, own, agentId: id }))
  ].map(({ agentId, own, where }): ExecRule => {
    const { ask, security } = policyOf(document, agentId, closed)
    return { where, ask, security, autoAllowSkills: own?.autoAllowSkills === true }
  })
})

/** The words that a process was started with; where they cannot be seen, none. */
const commandLineOf = Effect.fnUntraced(function* (pid: number | undefined) {
  if (pid === undefined) return []
  const fs = yield* FileSystem.FileSystem
  return (yield* Effect.orElseSucceed(fs.readFileString(`/proc/${pid}/cmdline`), () => "")).split("\0")
})

export interface LookOptions {
  /** Absolute path, which need not exist. */
  readonly stateDir: string
  readonly env: Env
  /** Of the Gateway that runs on this state directory. */
  readonly pid?: number | undefined
}

/** Also says, by their keys, which secrets have no value here. */
export const look = Effect.fn("Security.look")(function* ({ env, pid, stateDir }: LookOptions) {
  const fs = yield* FileSystem.FileSystem
  const config = yield* Config
  // First, because reading the configuration takes the rights of others on it, and on what it includes, away.
  const configFile = yield* rights(config.file)
  const root = yield* rights(stateDir)
  const lying = root?.kind === "directory" ? yield* within(stateDir) : []
  const words = yield* commandLineOf(pid)
  const told = toldIn(words)
  const current = followed(yield* config.get, told)
  const missing = substitute((yield* config.inspect).composed, env).missing.map(
    ({ path, reason }) => `${path}: ${reason}`
  )
  const tls = filesOf(current.gateway?.tls, config.file, (...segments) => join(stateDir, ...segments))
  const pem = tls === undefined ? "" : yield* Effect.orElseSucceed(fs.readFileString(tls.certPath), () => "")
  const besides = new Set([config.file, ...(tls === undefined ? [] : [tls.keyPath, tls.certPath])])
  const facts: Facts = {
    config: current,
    auth: yield* authOf(env, missing, told.auth),
    stateDir: root,
    configFile,
    stateFiles: lying.filter(({ path }) => !besides.has(path)),
    tlsKey: tls === undefined ? undefined : yield* rightsBehind(tls.keyPath),
    certificateValidTo: Option.getOrUndefined(Option.map(certificateIn(pem), ({ validTo }) => validTo)),
    execRules: yield* execRulesOf(stateDir),
    dangerousFlags: dangerousFlagsIn(yield* config.raw),
    secretFlags: secretFlagsIn(words),
    startedWith: shown(told),
    now: yield* Clock.currentTimeMillis
  }
  return { facts, secretDiagnostics: missing }
})
