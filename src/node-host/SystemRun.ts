/**
 * `system.run.prepare` and `system.run`: a program and its arguments, no shell in between.
 */
import { randomUUID } from "node:crypto"
import * as Clock from "effect/Clock"
import * as Effect from "effect/Effect"
import * as FileSystem from "effect/FileSystem"
import * as Path from "effect/Path"
import * as Schema from "effect/Schema"
import * as SessionKey from "../domain/SessionKey.ts"
import { type Asked, DISABLED, exactPattern, isListed, refusal } from "./allowlist.ts"
import { bind, type Command, type Prepared } from "./binding.ts"
import { isCarrier } from "./carriers.ts"
import { CommandError, denied, invalid, undecodable } from "./CommandError.ts"
import { commandText, sameCommand } from "../domain/CommandLine.ts"
import { inherited, refused } from "./environment.ts"
import { ExecApprovals, type Policy } from "./ExecApprovals.ts"
import * as Executable from "./executable.ts"
import { HostInfo } from "./HostInfo.ts"
import * as Process from "./process.ts"

const text = Schema.optional(Schema.NullOr(Schema.String))

const Params = Schema.Struct({
  command: Schema.NonEmptyArray(Schema.String),
  /** The command as its caller shows it; must say what `command` does. */
  rawCommand: text,
  cwd: text,
  env: Schema.optional(Schema.NullOr(Schema.Record(Schema.String, Schema.String))),
  /** Milliseconds; the invoke's own deadline when left out. */
  timeoutMs: Schema.optional(Schema.NullOr(Schema.Finite)),
  agentId: text,
  sessionKey: Schema.optional(Schema.NullOr(SessionKey.SessionKey)),
  runId: text,
  /** A person agreed, says the Gateway; counts only for a command that was prepared here and is still the same. */
  approved: Schema.optional(Schema.NullOr(Schema.Boolean)),
  /** What that person decided; `allow-always` puts the command on the list. */
  approvalDecision: text,
  suppressNotifyOnExit: Schema.optional(Schema.NullOr(Schema.Boolean))
})
type Params = typeof Params.Type

const decode = Schema.decodeUnknownEffect(Params)
const hasArgv = Schema.is(Schema.Struct({ command: Schema.NonEmptyArray(Schema.String) }))

export interface SystemRunOptions {
  /** Variables of the host's environment that commands may see besides the usual ones. */
  readonly passEnv?: ReadonlyArray<string> | undefined
}

export interface RunContext {
  /** Milliseconds that the caller of this command waits. */
  readonly timeoutMs: number
  /** Tells the Gateway that something happened on this node. */
  readonly emit: (event: string, payload: unknown) => Effect.Effect<void>
}

/** Room for the group to end and the answer to travel, so that the caller sees `timedOut` and what was written so far. */
const budget = (asked: number | null | undefined, timeoutMs: number): number => {
  const margin = Math.min(2_000, Math.floor(timeoutMs / 5))
  const most = Math.max(1, timeoutMs - margin)
  return asked !== null && asked !== undefined && asked > 0 ? Math.min(Math.max(1, Math.floor(asked)), most) : most
}

export const make = Effect.fnUntraced(function* (prepared: Prepared, options: SystemRunOptions = {}) {
  const host = yield* HostInfo
  const approvals = yield* ExecApprovals
  const fs = yield* FileSystem.FileSystem
  const path = yield* Path.Path
  const base = inherited(host.env, host.platform, options.passEnv)

  const parse = Effect.fnUntraced(function* (params: unknown) {
    if (!hasArgv(params)) return yield* invalid("command required: a non-empty array of strings")
    const request = yield* Effect.mapError(decode(params), undecodable("system.run params"))
    if (request.command[0] === "" || request.command.some((argument) => argument.includes("\0"))) {
      return yield* invalid("command must name a program and hold no NUL character")
    }
    if (typeof request.rawCommand === "string" && request.rawCommand.trim() !== "") {
      if (!sameCommand(request.rawCommand, request.command)) return yield* invalid("rawCommand does not match command")
    }
    const keys = refused(request.env ?? {})
    if (keys.length > 0) {
      return yield* denied(
        `environment override rejected (blocked override keys: ${keys.map((key) => JSON.stringify(key.slice(0, 64))).join(", ")})`
      )
    }
    return request
  })

  const agentOf = ({ agentId, sessionKey }: Params): string | undefined =>
    agentId ?? (sessionKey ? SessionKey.agentIdOf(sessionKey) : undefined)

  const folderOf = (request: Params) => {
    const folder = path.resolve(host.cwd, request.cwd ?? "")
    return fs.stat(folder).pipe(
      Effect.filterOrFail((info) => info.type === "Directory"),
      Effect.andThen(fs.realPath(folder)),
      Effect.mapError(() => `the working directory does not exist on this node: ${JSON.stringify(folder)}`)
    )
  }

  const programOf = Effect.fnUntraced(function* (name: string, cwd: string) {
    const found = yield* Executable.find(name, {
      path: host.env["PATH"] ?? host.env["Path"] ?? "",
      cwd,
      platform: host.platform,
      pathExt: host.env["PATHEXT"]
    })
    return found ?? (yield* Effect.fail(`no such program on this node: ${JSON.stringify(name)} (ENOENT)`))
  })

  /** Settles a request. Fails with a sentence when the machine lacks what it names. */
  const settle = Effect.fnUntraced(function* (request: Params) {
    const cwd = yield* folderOf(request)
    const executable = yield* programOf(request.command[0], cwd)
    const command: Command = {
      argv: request.command,
      executable,
      cwd,
      env: request.env ?? {},
      agentId: request.agentId ?? undefined,
      sessionKey: request.sessionKey ?? undefined
    }
    return command
  })

  const listed = (policy: Policy, command: Command) => {
    const { argv, cwd, executable } = command
    const asked: Asked = { argv, executable, cwd, homeDir: host.homeDir }
    return isListed(policy.allowlist, asked)
  }

  /**
   * What goes on the list when a person allows a command for ever: these arguments in this folder. Nothing for a program that
   * runs what files and variables say, because those may say something else the next time.
   */
  const lasting = ({ argv, cwd, env, executable }: Command) =>
    isCarrier(argv[0] ?? "", executable) || Object.keys(env).length > 0
      ? undefined
      : { pattern: executable.path, argPattern: exactPattern([executable.path, ...argv.slice(1)], cwd) }

  /** The command runs also when its place on the list could not be written: a person agreed. */
  const keep = Effect.fnUntraced(function* (request: Params, command: Command) {
    const entry = lasting(command)
    if (request.approvalDecision !== "allow-always" || entry === undefined) return
    const kept = { ...entry, source: "allow-always" as const, lastResolvedPath: command.executable.realPath }
    yield* approvals.allow(agentOf(request), { ...kept, lastUsedAt: yield* Clock.currentTimeMillis }).pipe(
      Effect.andThen(Effect.logInfo(`${command.executable.path} was put on the list of what runs unasked`)),
      Effect.catch((error) => Effect.logError(`an allowed command was not put on the list: ${error.message}`))
    )
  })

  const prepare = Effect.fn("system.run.prepare")(function* (params: unknown) {
    const request = yield* parse(params)
    const policy = yield* approvals.policy(agentOf(request))
    // Before any file is read: nobody can approve what is not run at all.
    if (policy.security === "deny") {
      return yield* new CommandError({ code: "SYSTEM_RUN_DENIED", message: DISABLED })
    }
    const command = yield* Effect.mapError(settle(request), (problem) => denied(problem))
    const { digest, operands } = yield* bind(command)
    yield* prepared.remember(digest)
    const argv = [command.executable.path, ...command.argv.slice(1)]
    const always = lasting(command)
    return {
      plan: {
        argv,
        cwd: command.cwd,
        commandText: commandText(argv),
        commandPreview: null,
        agentId: command.agentId ?? null,
        sessionKey: command.sessionKey ?? null,
        ...(operands[0] === undefined ? undefined : { mutableFileOperand: operands[0] }),
        policySnapshot: {
          security: policy.security,
          ask: policy.ask,
          askFallback: policy.askFallback,
          autoAllowSkills: false,
          allowlistRules: policy.allowlist.map(({ argPattern, pattern }) =>
            argPattern === undefined ? { pattern } : { pattern, argPattern }
          )
        }
      },
      digest,
      execPolicy: { security: policy.security, ask: policy.ask },
      allowAlwaysCoverage: { complete: always !== undefined, patterns: always === undefined ? [] : [always] }
    }
  })

  /** Fails unless this very command may run now. A program that is not there is on no list. */
  const authorize = Effect.fnUntraced(function* (request: Params, policy: Policy, command: Command | undefined) {
    const reason = refusal(policy, command !== undefined && listed(policy, command))
    if (reason === undefined) return
    if (request.approved === true && policy.security !== "deny" && command !== undefined) {
      const { digest } = yield* bind(command)
      if (yield* prepared.consume(digest)) return yield* keep(request, command)
      return yield* denied("the approval is not for this command as it is now; prepare it and ask again")
    }
    return yield* new CommandError({ code: "SYSTEM_RUN_DENIED", message: reason })
  })

  /** The file that is started must be the one that was checked. */
  const isSame = ({ identity, realPath }: Executable.Executable) =>
    fs.stat(realPath).pipe(
      Effect.map((info) => Executable.identityOf(info).join() === identity.join()),
      Effect.orElseSucceed(() => false)
    )

  const launch = Effect.fnUntraced(function* (command: Command, timeoutMs: number) {
    const { executable } = command
    if (!(yield* isSame(executable))) return yield* denied("the program was replaced while it was checked; try again")
    const child = Process.run({
      // Not the path that was asked for: a link on it may point elsewhere by now.
      file: executable.realPath,
      name: executable.path,
      args: command.argv.slice(1),
      cwd: command.cwd,
      env: { ...base, ...command.env },
      timeoutMs
    })
    return yield* Effect.catch(child, (error) =>
      Effect.succeed(Process.notStarted(`the program could not be started: ${error.message}`))
    )
  })

  const run = Effect.fn("system.run")(function* (params: unknown, context: RunContext) {
    const request = yield* parse(params)
    const policy = yield* approvals.policy(agentOf(request))
    const settled = yield* Effect.result(settle(request))
    yield* authorize(request, policy, settled._tag === "Success" ? settled.success : undefined)
    const result =
      settled._tag === "Success"
        ? yield* launch(settled.success, budget(request.timeoutMs, context.timeoutMs))
        : Process.notStarted(settled.failure)
    const { error, stderr, stdout, ...end } = result
    yield* context.emit("exec.finished", {
      sessionKey: request.sessionKey ?? "node",
      runId: request.runId ?? randomUUID(),
      host: "node",
      command: commandText(request.command),
      exitCode: end.exitCode,
      timedOut: end.timedOut,
      success: end.success,
      output: (error ?? `${stdout}${stderr}`).trim().slice(-20_000),
      suppressNotifyOnExit: request.suppressNotifyOnExit === true
    })
    return result
  })

  return { prepare, run }
})
