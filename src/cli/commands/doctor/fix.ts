/**
 * What `openclaw doctor --fix` does. Safe is what nobody can be locked out by and what a start of the Gateway would do too;
 * anything else is asked for on a terminal, and left alone elsewhere.
 */
import * as Effect from "effect/Effect"
import * as Result from "effect/Result"
import * as Schema from "effect/Schema"
import * as Prompt from "effect/cli/Prompt"
import { renamed } from "../../../layers/config/renamed.ts"
import { closable, close } from "../../../layers/security/fix.ts"
import * as Api from "../../../layers/telegram/Api.ts"
import { Config, ConfigInvalid } from "../../../services/Config.ts"
import { StateDir } from "../../../services/StateDir.ts"
import { Environment } from "../../Environment.ts"
import { describe } from "../../errors.ts"
import { Json } from "../../globals.ts"
import { count } from "../../output.ts"
import { argsOf } from "../../service/definition.ts"
import { install } from "../../service/install.ts"
import { installedHere } from "../../service/managed.ts"
import { serviceManager } from "../../service/manager.ts"
import * as State from "../../state.ts"
import type { Check, Repair } from "./Check.ts"
import type { Subject } from "./Subject.ts"
import { accounts } from "./telegram.ts"

/** What came of one repair. `skipped`: it needs somebody's word, and nobody could be asked or they said no. */
export interface Repaired {
  readonly kind: Repair["kind"]
  readonly result: "done" | "failed" | "skipped"
  readonly detail: string
}

/** The question that comes first; `undefined` for what is safe. */
const questionOf = (repair: Repair): string | undefined => {
  switch (repair.kind) {
    case "service":
      return "Write the service again and restart its Gateway?"
    case "webhook":
      return `Take the webhook of account ${repair.accountId} away, so that its messages come here?`
    default:
      return undefined
  }
}

const makePrivate = Effect.fnUntraced(function* ({ before }: Subject) {
  const open = [before.root, ...before.files, before.config].filter(closable)
  const actions = yield* Effect.forEach(open, close)
  const failed = actions.filter(({ ok }) => !ok)
  return failed.length === 0
    ? `only you can use ${count(actions.length, "file")} and folders now that others could`
    : yield* Effect.fail({ message: failed.map(({ error, path }) => `${path}: ${error ?? "unchanged"}`).join("; ") })
})

/** Owning the directory for a moment takes a dead lock over and leaves none; a Gateway that has started meanwhile refuses. */
const removeLock = Effect.flatMap(StateDir, ({ own }) => Effect.scoped(own)).pipe(
  Effect.provide(State.stateDir),
  Effect.as("the lock of a Gateway that is gone was removed")
)

const rename = Effect.gen(function* () {
  const config = yield* Config
  let changes: ReadonlyArray<string> = []
  yield* config.edit(
    Effect.fnUntraced(function* ({ problems, raw }) {
      if (problems.length > 0) return yield* new ConfigInvalid({ file: config.file, problems })
      const found = renamed(raw)
      changes = found.changes
      return changes.length === 0 ? undefined : found.tree
    })
  )
  return `renamed in the configuration: ${changes.join(", ")}`
}).pipe(Effect.provide(State.config))

/** Milliseconds until the Gateway listens again. */
const SERVICE_MS = 60_000

const reinstall = Effect.gen(function* () {
  const found = yield* installedHere("gateway")
  const args = found._tag === "Some" ? argsOf("gateway", found.value) : ["gateway", "run"]
  yield* install({ kind: "gateway", args, force: true, timeout: SERVICE_MS }, Effect.void)
  return "the service was written again, and its Gateway restarted"
}).pipe(Effect.provide(serviceManager))

const takeWebhook = Effect.fnUntraced(function* (subject: Subject, accountId: string) {
  const account = (yield* accounts(subject)).find((each) => each.accountId === accountId)
  if (account?.token === undefined) return yield* Effect.fail({ message: `account ${accountId} has no token by now` })
  const api = yield* Api.make({ apiRoot: account.apiRoot, token: account.token, timeoutMs: 10_000 })
  yield* api.call("deleteWebhook", { drop_pending_updates: false }, Schema.Unknown)
  return `the webhook of account ${accountId} is gone; what waited for it waits for this Gateway`
})

const carryOut = Effect.fnUntraced(function* (subject: Subject, repair: Repair) {
  switch (repair.kind) {
    case "private":
      return yield* makePrivate(subject)
    case "stale-lock":
      return yield* removeLock
    case "config-names":
      return yield* rename
    case "service":
      return yield* reinstall
    case "webhook":
      return yield* takeWebhook(subject, repair.accountId)
  }
}, Effect.mapError(describe))

const isAgreed = Effect.fnUntraced(function* (question: string | undefined) {
  if (question === undefined) return true
  const { interactive } = yield* Environment
  if (!interactive || (yield* Json)) return false
  return yield* Effect.orElseSucceed(Prompt.run(Prompt.Confirm({ message: question, initial: false })), () => false)
})

/** Each kind of repair once, in the order of the findings. */
export const repair = Effect.fn("cli.doctor.fix")(function* (subject: Subject, checks: ReadonlyArray<Check>) {
  const wanted = new Map(
    checks.flatMap(({ repair }) => (repair === undefined ? [] : [[JSON.stringify(repair), repair] as const]))
  )
  return yield* Effect.forEach(wanted.values(), (each) =>
    Effect.gen(function* () {
      const question = questionOf(each)
      if (!(yield* isAgreed(question))) {
        return {
          kind: each.kind,
          result: "skipped",
          detail: `not done without a yes on a terminal: ${question ?? ""}`
        } satisfies Repaired
      }
      const done = yield* Effect.result(carryOut(subject, each))
      return (
        Result.isSuccess(done)
          ? { kind: each.kind, result: "done", detail: done.success }
          : { kind: each.kind, result: "failed", detail: done.failure.message }
      ) satisfies Repaired
    })
  )
})
