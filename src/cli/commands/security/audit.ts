import * as Clock from "effect/Clock"
import * as Effect from "effect/Effect"
import * as Option from "effect/Option"
import { audit, type Finding, type Severity, sorted } from "../../../layers/security/audit.ts"
import { fix, type Fixed } from "../../../layers/security/fix.ts"
import { look } from "../../../layers/security/look.ts"
import { withoutSuppressed } from "../../../layers/security/suppressions.ts"
import { Environment } from "../../Environment.ts"
import { owner } from "../../gateway.ts"
import { saysHere } from "../../here.ts"
import { count, plain, print } from "../../output.ts"
import { waiting } from "../../progress.ts"
import * as State from "../../state.ts"
import { deep } from "./deep.ts"

const words: Readonly<Record<Severity, string>> = { critical: "CRITICAL", warn: "WARN", info: "INFO" }

const shown = ({ checkId, detail, remediation, severity, title }: Finding): string =>
  [`${words[severity]} ${checkId}: ${title}`, `  ${plain(detail)}`, `  Fix: ${plain(remediation)}.`].join("\n")

const done = ({ actions, backup, changes, errors }: Fixed): ReadonlyArray<string> => [
  ...changes.map((change) => `Changed ${plain(change)}.`),
  ...(backup === undefined ? [] : [`${plain(backup)} keeps the configuration as it was.`]),
  ...actions.filter(({ ok }) => ok).map(({ path }) => `Only you can use ${plain(path)} now.`),
  ...errors.map((error) => `Not done: ${plain(error)}`)
]

/** Findings are no failure: the exit code is 0 whatever there is, and 78 where the configuration cannot be read. */
export const run = Effect.fn("cli.security.audit")(function* (flags: {
  readonly fix: boolean
  readonly deep: boolean
  readonly timeout: number
}) {
  const { home, variables } = yield* Environment
  const { root } = yield* State.plan
  const pid = Option.getOrUndefined(Option.map(yield* owner, (found) => found.pid))
  const seen = look({ stateDir: root, env: variables, pid }).pipe(waiting("Looking at files and configuration"))
  const first = yield* seen
  // After the look: it reads the configuration, which takes the rights of others on it away.
  yield* saysHere("the files and the configuration", "openclaw security audit")
  const fixed = flags.fix ? yield* fix(first.facts, home) : undefined
  const { facts, secretDiagnostics } = fixed === undefined ? first : yield* seen
  const live = flags.deep ? yield* deep(flags.timeout) : undefined
  const { active, suppressed } = withoutSuppressed(facts.config, [...audit(facts), ...(live?.findings ?? [])])
  const findings = sorted(active)
  const total = (severity: Severity) => findings.filter((found) => found.severity === severity).length
  const summary = { critical: total("critical"), warn: total("warn"), info: total("info") }
  const report = {
    ts: yield* Clock.currentTimeMillis,
    summary,
    findings,
    ...(suppressed.length === 0 ? undefined : { suppressedFindings: suppressed }),
    ...(live === undefined ? undefined : { deep: live.deep })
  }
  const answer =
    fixed === undefined
      ? { ...report, secretDiagnostics }
      : { fix: { ...fixed, stateDir: root }, report, secretDiagnostics }
  yield* print(answer, () =>
    [
      ...(fixed === undefined ? [] : done(fixed)),
      ...findings.map(shown),
      ...secretDiagnostics.map((text) => `Not looked at, because it has no value here: ${plain(text)}`),
      findings.length === 0
        ? "Nothing found."
        : `${count(findings.length, "finding")}: ${summary.critical} critical, ${summary.warn} to look at, ${summary.info} to know.`
    ].join("\n")
  )
}, Effect.provide(State.config))
