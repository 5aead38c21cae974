/**
 * `config.*`.
 */
import { isDeepStrictEqual } from "node:util"
import * as Clock from "effect/Clock"
import * as DateTime from "effect/DateTime"
import * as Effect from "effect/Effect"
import * as Result from "effect/Result"
import * as Scope from "effect/Scope"
import * as Stream from "effect/Stream"
import { type GatewayError, invalidRequest, unavailable } from "../../../protocol/GatewayError.ts"
import { ConfigMethods, type ConfigSentinel } from "../../../protocol/methods/config.ts"
import { Config, type ConfigSnapshot } from "../../../services/Config.ts"
import { EventBus } from "../../../services/EventBus.ts"
import { Supervisor } from "../../../services/Supervisor.ts"
import { configHints, configJsonSchema, lookupSchema } from "../../config/jsonSchema.ts"
import { getAt } from "../../config/path.ts"
import { needsRestart, reloadKindOf } from "../../config/reload.ts"
import { changedPaths, mergePatch } from "../../config/wire/mergePatch.ts"
import { redactForWire, redactText, restore } from "../../config/wire/redacted.ts"
import { Access } from "../Access.ts"
import * as ConfigRevisions from "../ConfigRevisions.ts"
import { CurrentConnection } from "../Connections.ts"
import type { GatewayOptions } from "../options.ts"
import * as WriteLimit from "../WriteLimit.ts"
import { asIssue, editFailed, invalidConfig, parseWritten } from "./configErrors.ts"

interface Write {
  readonly raw: string
  readonly baseHash?: string | undefined
}

interface Origin {
  readonly sessionKey?: string | undefined
  readonly note?: string | undefined
  readonly restartDelayMs?: number | undefined
}

const UNUSED = "not used by this Gateway; kept"

/** Secrets that the file has put in where the sender was only shown that there are some. */
const withSecrets = (given: unknown, { composed }: ConfigSnapshot): Effect.Effect<unknown, GatewayError> =>
  Result.match(restore(given, composed), {
    onFailure: (at) =>
      Effect.fail(
        invalidRequest(`Sentinel value "__OPENCLAW_REDACTED__" in key ${at || "<root>"} is not valid as real data`)
      ),
    onSuccess: Effect.succeed
  })

/** The tree with the patch, which must also be what the file then says together with its includes. */
const patched = Effect.fnUntraced(function* <E>(
  before: ConfigSnapshot,
  given: unknown,
  replacePaths: ReadonlyArray<string> | undefined,
  compose: (tree: unknown) => Effect.Effect<unknown, E>
) {
  const wanted = mergePatch(before.composed, given, replacePaths)
  if (wanted.losing.length > 0) {
    return yield* invalidRequest(
      `config.patch would remove entries from array path(s): ${wanted.losing.join(", ")}. Pass replacePaths with the exact path(s) when this is intentional, or use config.apply for full-config replacement.`
    )
  }
  const changed = changedPaths(before.composed, wanted.tree)
  if (changed.length === 0) return { changed, tree: undefined }
  const { tree } = mergePatch(before.raw, given, replacePaths)
  const kept = changedPaths(wanted.tree, yield* compose(tree))
  if (kept.length > 0) {
    return yield* invalidRequest(
      `config.patch cannot change what an included file says: ${kept.join(", ")}; edit that file`
    )
  }
  return { changed, tree }
})

export const layer = (options: GatewayOptions) =>
  ConfigMethods.middleware(Access).toLayer(
    Effect.gen(function* () {
      const config = yield* Config
      const events = yield* EventBus
      const supervisor = yield* Supervisor
      const scope = yield* Effect.scope
      const revisions = yield* ConfigRevisions.make(options)
      const limited = WriteLimit.make()

      let told: string | undefined
      /** Tells everyone who may read of a state that nobody was told of. */
      const announce = Effect.fnUntraced(function* (snapshot: ConfigSnapshot) {
        const hash = revisions.hash(snapshot)
        if (hash === told) return
        told = hash
        yield* events.publish("config.changed", { path: config.file, hash, ts: yield* Clock.currentTimeMillis })
      })

      /** Whether what was changed holds only after a restart. */
      const isPending = (after: ConfigSnapshot, changed: ReadonlyArray<string>) =>
        needsRestart(changed) && revisions.applied(after) !== revisions.revision(after)
      /** Nobody can restart this Gateway, or nobody is to. */
      const stays = (after: ConfigSnapshot) =>
        options.restart === undefined || getAt(after.composed, ["gateway", "reload", "mode"]) === "off"

      /** Lets what is read only at the start begin to hold, for a change that nobody waits for. */
      const follow = Effect.fnUntraced(
        function* (after: ConfigSnapshot, changed: ReadonlyArray<string>) {
          if (!isPending(after, changed)) return
          const paths = changed.filter((path) => reloadKindOf(path) === "restart").join(", ")
          const { restart } = options
          if (restart === undefined || stays(after)) {
            return yield* Effect.logWarning(`${config.file} changed; ${paths} will hold after a restart`)
          }
          yield* Effect.logInfo(`${config.file} changed; restarting for ${paths}`)
          yield* restart({ reason: `config changed: ${paths}` })
        },
        Effect.catch(({ message }) => Effect.logWarning(message))
      )

      let known = yield* Effect.orElseSucceed(config.inspect, () => undefined)
      /** Someone else may have written the file. */
      const noticed = Effect.gen(function* () {
        const after = yield* config.inspect
        const isNews = revisions.hash(after) !== told
        const changed = known === undefined ? [] : changedPaths(known.composed, after.composed)
        known = after
        yield* announce(after)
        if (isNews) yield* follow(after, changed)
      })
      yield* supervisor.supervise(
        "gateway/config",
        Stream.runForEach(config.changes, () => Effect.catch(noticed, (error) => Effect.logWarning(error.message))),
        { restart: "on-failure" }
      )

      const get = Effect.fn("Gateway.config.get")(function* () {
        const snapshot = yield* Effect.mapError(config.inspect, ({ message }) => unavailable(message))
        const { composed, problems, raw, text, unusedKeys } = snapshot
        const valid = problems.length === 0
        const shown = valid ? redactForWire(composed) : {}
        const own = valid ? redactForWire(raw) : null
        return {
          path: config.file,
          exists: text !== undefined,
          raw: valid && text !== undefined ? redactText(text, raw) : null,
          parsed: own,
          sourceConfig: shown,
          resolved: shown,
          runtimeConfig: shown,
          config: shown,
          hash: revisions.hash(snapshot),
          valid,
          issues: problems.map(asIssue),
          warnings: unusedKeys.map((path) => ({ path, message: UNUSED })),
          legacyIssues: [],
          configRevisionHash: revisions.revision(snapshot),
          appliedConfigHash: revisions.applied(snapshot)
        }
      })

      const isStale = (before: ConfigSnapshot, baseHash: string | undefined) =>
        baseHash !== undefined && baseHash !== revisions.hash(before)
      const stale = invalidRequest("config changed since last load; re-run config.get and retry")

      /** What every answer to a write has. */
      const answerOf = (snapshot: ConfigSnapshot) =>
        ({
          ok: true,
          path: config.file,
          hash: revisions.hash(snapshot),
          config: redactForWire(snapshot.composed)
        }) as const

      const replace = Effect.fnUntraced(function* (given: unknown, baseHash: string | undefined) {
        let changed: ReadonlyArray<string> = []
        const after = yield* config
          .edit(
            Effect.fnUntraced(function* (before, compose) {
              if (isStale(before, baseHash)) return yield* stale
              if (baseHash === undefined && before.text !== undefined) {
                return yield* invalidRequest("config base hash required; re-run config.get and retry")
              }
              const tree = yield* withSecrets(given, before)
              changed = changedPaths(before.composed, yield* compose(tree))
              return before.problems.length === 0 && isDeepStrictEqual(tree, before.raw) ? undefined : tree
            })
          )
          .pipe(Effect.mapError(editFailed))
        yield* announce(after)
        return { after, changed }
      })

      /** Restarts where the change needs it, somebody can, and nobody forbade it. Says whether the change waits for one. */
      const restartFor = Effect.fnUntraced(function* (
        method: string,
        after: ConfigSnapshot,
        changed: ReadonlyArray<string>,
        { note, restartDelayMs = 0 }: Origin
      ) {
        yield* Effect.logInfo(`${method} wrote ${config.file}${note === undefined || note === "" ? "" : `: ${note}`}`)
        const requiresRestart = isPending(after, changed)
        const { restart } = options
        if (!requiresRestart || restart === undefined || stays(after)) return requiresRestart
        const begin = restart({ reason: method })
        if (restartDelayMs === 0) {
          yield* Effect.mapError(begin, ({ message }) =>
            unavailable(`${config.file} is written, and does not hold yet: ${message}`, {
              details: { code: "RESTART_REFUSED", hash: revisions.hash(after) }
            })
          )
          return true
        }
        yield* supervisor
          .supervise("gateway/restart", Effect.delay(begin, restartDelayMs), { restart: "never" })
          .pipe(Scope.provide(scope))
        return true
      })

      const sentinelOf = Effect.fnUntraced(function* (
        method: "config.apply" | "config.patch",
        requiresRestart: boolean,
        { note, sessionKey }: Origin
      ): Effect.fn.Return<ConfigSentinel> {
        return {
          // Nobody is told of it after the restart.
          persisted: false,
          payload: {
            kind: method.replace(".", "-"),
            status: "ok",
            ts: yield* Clock.currentTimeMillis,
            ...(sessionKey === undefined || sessionKey === "" ? undefined : { sessionKey }),
            message: note ?? null,
            stats: { mode: method, root: config.file, requiresRestart }
          }
        }
      })

      const set = Effect.fn("Gateway.config.set")(function* ({ baseHash, raw }: Write) {
        yield* limited("config.set", yield* CurrentConnection)
        const { after, changed } = yield* replace(yield* parseWritten(raw), baseHash)
        // The answer says what is written, not what holds.
        yield* follow(after, changed)
        return answerOf(after)
      })

      const apply = Effect.fn("Gateway.config.apply")(function* (params: Write & Origin) {
        yield* limited("config.apply", yield* CurrentConnection)
        const { after, changed } = yield* replace(yield* parseWritten(params.raw), params.baseHash)
        const requiresRestart = yield* restartFor("config.apply", after, changed, params)
        return { ...answerOf(after), sentinel: yield* sentinelOf("config.apply", requiresRestart, params) }
      })

      const patch = Effect.fn("Gateway.config.patch")(function* (
        params: Write & Origin & { readonly replacePaths?: ReadonlyArray<string> | undefined }
      ) {
        yield* limited("config.patch", yield* CurrentConnection)
        const given = yield* parseWritten(params.raw)
        if (typeof given !== "object" || given === null || Array.isArray(given)) {
          return yield* invalidRequest("config.patch raw must be an object")
        }
        let changed: ReadonlyArray<string> = []
        const after = yield* config
          .edit(
            Effect.fnUntraced(function* (before, compose) {
              if (isStale(before, params.baseHash)) return yield* stale
              if (before.problems.length > 0) return yield* invalidConfig(before.problems, "; fix it before patching")
              const merged = yield* patched(before, yield* withSecrets(given, before), params.replacePaths, compose)
              changed = merged.changed
              if (changed.length > 0 && params.baseHash === undefined && before.text !== undefined) {
                return yield* invalidRequest(
                  `config base hash required for ${changed.join(", ")}; re-run config.get and retry with baseHash`
                )
              }
              return merged.tree
            })
          )
          .pipe(Effect.mapError(editFailed))
        if (changed.length === 0) {
          return {
            ok: true,
            noop: true,
            changedPaths: [],
            path: config.file,
            config: redactForWire(after.composed)
          } as const
        }
        yield* announce(after)
        const requiresRestart = yield* restartFor("config.patch", after, changed, params)
        return {
          ...answerOf(after),
          changedPaths: changed,
          sentinel: yield* sentinelOf("config.patch", requiresRestart, params)
        }
      })

      return {
        "config.get": get,
        "config.schema": () =>
          Effect.map(DateTime.now, (now) => ({
            schema: configJsonSchema(),
            uiHints: configHints(),
            version: options.version,
            generatedAt: DateTime.formatIso(now)
          })),
        "config.schema.lookup": ({ path }) => {
          const found = lookupSchema(path)
          return found === undefined ? invalidRequest("config schema path not found") : Effect.succeed(found)
        },
        "config.set": set,
        "config.apply": apply,
        "config.patch": patch
      }
    })
  )
