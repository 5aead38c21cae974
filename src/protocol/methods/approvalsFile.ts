/**
 * `exec-approvals.json`: a host's list of what it runs unasked, as `exec.approvals.*` carries it.
 *
 * Times are Unix milliseconds.
 */
import * as Schema from "effect/Schema"

const file = {
  security: Schema.optional(Schema.String),
  ask: Schema.optional(Schema.String),
  askFallback: Schema.optional(Schema.String),
  autoAllowSkills: Schema.optional(Schema.Boolean)
}
const Usage = Schema.optional(Schema.Finite.pipe(Schema.check(Schema.isGreaterThanOrEqualTo(0))))

/** A host's list of what it runs unasked, as it travels. */
export const ExecApprovalsFile = Schema.Struct({
  version: Schema.Literal(1),
  socket: Schema.optional(
    Schema.Struct({ path: Schema.optional(Schema.String), token: Schema.optional(Schema.String) })
  ),
  defaults: Schema.optional(Schema.Struct(file)),
  agents: Schema.optional(
    Schema.Record(
      Schema.String,
      Schema.Struct({
        ...file,
        allowlist: Schema.optional(
          Schema.Array(
            Schema.Struct({
              id: Schema.optional(Schema.NonEmptyString),
              pattern: Schema.String,
              source: Schema.optional(Schema.Literal("allow-always")),
              commandText: Schema.optional(Schema.String),
              argPattern: Schema.optional(Schema.String),
              lastUsedAt: Usage,
              lastUsedCommand: Schema.optional(Schema.String),
              lastResolvedPath: Schema.optional(Schema.String)
            })
          )
        ),
        mcpTools: Schema.optional(
          Schema.Array(
            Schema.Struct({
              server: Schema.NonEmptyString,
              tool: Schema.NonEmptyString,
              source: Schema.Literal("allow-always"),
              addedAt: Schema.Finite,
              lastUsedAt: Usage
            })
          )
        )
      })
    )
  )
})
export type ExecApprovalsFile = typeof ExecApprovalsFile.Type

export const ExecApprovalsSnapshot = Schema.Struct({
  path: Schema.NonEmptyString,
  exists: Schema.Boolean,
  /** Of the content; whoever replaces the list shows it. */
  hash: Schema.NonEmptyString,
  file: ExecApprovalsFile,
  /** What counts where the list says nothing. */
  resolvedDefaults: Schema.optional(
    Schema.Struct({
      security: Schema.Literals(["deny", "allowlist", "full"]),
      ask: Schema.Literals(["off", "on-miss", "always"]),
      askFallback: Schema.Literals(["deny", "allowlist", "full"]),
      autoAllowSkills: Schema.Boolean
    })
  )
})
export type ExecApprovalsSnapshot = typeof ExecApprovalsSnapshot.Type
