import * as Clock from "effect/Clock"
import * as Effect from "effect/Effect"
import { audit, type Finding, type Severity } from "../../../layers/security/audit.ts"
import { look, tighten } from "../../../layers/security/look.ts"
import { Environment } from "../../Environment.ts"
import { count, plain, print } from "../../output.ts"
import * as State from "../../state.ts"

const words: Readonly<Record<Severity, string>> = { critical: "CRITICAL", warn: "WARN", info: "INFO" }

const shown = ({ checkId, detail, remediation, severity, title }: Finding): string =>
  [`${words[severity]} ${checkId}: ${title}`, `  ${plain(detail)}`, `  Fix: ${remediation}.`].join("\n")

/** Findings are no failure: the exit code is 0 whatever there is. */
export const run = Effect.fn("cli.security.audit")(function* ({ fix }: { readonly fix: boolean }) {
  const { variables } = yield* Environment
  const { root } = yield* State.plan
  const facts = look({ stateDir: root, env: variables })
  const changed = fix ? yield* Effect.flatMap(facts, tighten) : []
  const findings = audit(yield* facts)
  const total = (severity: Severity) => findings.filter((found) => found.severity === severity).length
  const summary = { critical: total("critical"), warn: total("warn"), info: total("info") }
  const report = { ts: yield* Clock.currentTimeMillis, summary, findings }
  yield* print(fix ? { fix: { ok: true, changed }, report } : report, () =>
    [
      ...changed.map((path) => `Only you can use ${plain(path)} now.`),
      ...findings.map(shown),
      findings.length === 0
        ? "Nothing found."
        : `${count(findings.length, "finding")}: ${summary.critical} critical, ${summary.warn} to look at, ${summary.info} to know.`
    ].join("\n")
  )
}, Effect.provide(State.config))
