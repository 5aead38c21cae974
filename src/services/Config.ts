/**
 * The configuration: `openclaw.json` (JSON5) in OpenClaw's own key names, with environment and flags on top.
 */
import * as Context from "effect/Context"
import type * as Effect from "effect/Effect"
import * as Schema from "effect/Schema"
import type * as Stream from "effect/Stream"
import type { OpenClawConfig } from "./ConfigSchema.ts"

/** One wrong value: where it stands, what it is (secrets are not shown), and what is expected there. */
export const ConfigProblem = Schema.Struct({
  path: Schema.String,
  value: Schema.String,
  expected: Schema.String
})
export type ConfigProblem = typeof ConfigProblem.Type

/** The file cannot be used. All problems are listed at once. Exit code 78 (EX_CONFIG). */
export class ConfigInvalid extends Schema.TaggedError<ConfigInvalid>()("ConfigInvalid", {
  file: Schema.String,
  problems: Schema.Array(ConfigProblem)
}) {
  override get message() {
    const lines = this.problems.map(
      (problem) => `  ${problem.path || "(file)"}: got ${problem.value}, expected ${problem.expected}`
    )
    return `${this.file} has ${this.problems.length} ${this.problems.length === 1 ? "problem" : "problems"}:\n${lines.join("\n")}`
  }
}

/**
 * The file as it stands, whether or not it can be used. Secrets are not redacted.
 */
export interface ConfigSnapshot {
  /** Its text; `undefined` when there is no file. */
  readonly text: string | undefined
  /** Its own value tree: unknown keys included; `{}` while there is none. */
  readonly raw: unknown
  /** The same with its includes put in and its variables not. */
  readonly composed: unknown
  /** What is wrong with it; empty when it can be used. */
  readonly problems: ReadonlyArray<ConfigProblem>
  /** Dotted paths that this Gateway keeps but does not use. */
  readonly unusedKeys: ReadonlyArray<string>
}

/** Another program wrote the file in the moment in which it was to be written. Nothing was written. */
export class ConfigChanged extends Schema.TaggedError<ConfigChanged>()("ConfigChanged", { file: Schema.String }) {
  override get message() {
    return `${this.file} was changed by another program in the meantime; look at it again.`
  }
}

/** The file could not be read or written. */
export class ConfigUnreadable extends Schema.TaggedError<ConfigUnreadable>()("ConfigUnreadable", {
  file: Schema.String,
  message: Schema.String
}) {}

/** A flag or an environment variable (`source`) cannot be used; nothing is wrong with the file. Exit code 78. */
export class SettingInvalid extends Schema.TaggedError<SettingInvalid>()("SettingInvalid", {
  source: Schema.String,
  value: Schema.String,
  expected: Schema.String
}) {
  override get message() {
    const fix = this.source.startsWith("--") ? `correct ${this.source}` : `correct ${this.source}, or unset it`
    return `${this.source}: got ${this.value}, expected ${this.expected}.\nFix: ${fix}.`
  }
}

/** The Gateway was named by `--url` or `OPENCLAW_GATEWAY_URL`, and none of the secrets that it may be shown is given. */
export class MissingExplicitCredentials extends Schema.TaggedError<MissingExplicitCredentials>()(
  "MissingExplicitCredentials",
  { url: Schema.String, source: Schema.Literals(["--url", "OPENCLAW_GATEWAY_URL"]) }
) {
  override get message() {
    return this.source === "--url"
      ? `--url ${this.url} needs explicit credentials: stored or environment credentials are never sent to a Gateway named by --url.\nFix: pass --token or --password.`
      : `OPENCLAW_GATEWAY_URL (${this.url}) needs explicit credentials: what the configuration holds is never sent to a Gateway named by a variable.\nFix: set OPENCLAW_GATEWAY_TOKEN or OPENCLAW_GATEWAY_PASSWORD too, or unset OPENCLAW_GATEWAY_URL.`
  }
}

/**
 * A secret is configured by reference and has no value here. No other one is used in its place. `reason` names what is
 * missing, never a value. Exit code 78.
 */
export class SecretUnresolved extends Schema.TaggedError<SecretUnresolved>()("SecretUnresolved", {
  path: Schema.String,
  reason: Schema.String
}) {
  override get message() {
    return `${this.path} refers to a secret that cannot be had: ${this.reason}. No other credential is used in its place; nothing was sent.\nFix: give it a value here, or remove it with \`openclaw config unset ${this.path}\`.`
  }
}

export class Config extends Context.Service<
  Config,
  {
    /** Absolute path of the file, whether or not it exists. */
    readonly file: string
    /**
     * The configuration as it is now, decoded. A file that was never there is an empty configuration. While the file is
     * broken or gone the last good one goes on, so this fails only as long as there was none.
     */
    readonly get: Effect.Effect<OpenClawConfig, ConfigInvalid | ConfigUnreadable>
    /** The file's own value tree, undecoded: unknown keys included, secrets not redacted. */
    readonly raw: Effect.Effect<unknown, ConfigInvalid | ConfigUnreadable>
    /**
     * Sets one dotted path (`channels.telegram.dmPolicy`, `agents.list[0].id`), checks the whole, then replaces the file.
     * Fails when the value is wrong, or makes something else wrong that was not before.
     */
    readonly set: (path: string, value: unknown) => Effect.Effect<void, ConfigInvalid | ConfigUnreadable>
    /** Removes one dotted path, by the same rule; `false` when it was not there. */
    readonly unset: (path: string) => Effect.Effect<boolean, ConfigInvalid | ConfigUnreadable>
    /** The file as it stands now. A broken file is no failure. */
    readonly inspect: Effect.Effect<ConfigSnapshot, ConfigUnreadable>
    /**
     * Replaces the file's tree by what `change` makes of the present one; `undefined` leaves it as it is. The whole result is
     * checked first. Of writers in this process each sees what the one before it wrote. Gives the file as it is afterwards.
     * `compose` puts the includes into a tree. With `dryRun` everything is checked and nothing is written.
     */
    readonly edit: <E, R>(
      change: (
        before: ConfigSnapshot,
        compose: (tree: unknown) => Effect.Effect<unknown, ConfigInvalid | ConfigUnreadable>
      ) => Effect.Effect<unknown, E, R>,
      options?: { readonly dryRun?: boolean }
    ) => Effect.Effect<ConfigSnapshot, E | ConfigChanged | ConfigInvalid | ConfigUnreadable, R>
    /** Dotted paths in the file that this Gateway keeps but does not use. */
    readonly unusedKeys: Effect.Effect<ReadonlyArray<string>, ConfigInvalid | ConfigUnreadable>
    /** Every later valid configuration after the file changed. */
    readonly changes: Stream.Stream<OpenClawConfig>
  }
>()("openclaw/services/Config") {}
