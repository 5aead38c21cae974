/**
 * The configuration from a JSON5 file, with environment variables put in and flags on top.
 *
 * The file is looked at anew for each question, and read and decoded only when it changed, so nobody works with a stale
 * value.
 */
import * as Effect from "effect/Effect"
import * as FileSystem from "effect/FileSystem"
import * as Layer from "effect/Layer"
import * as Option from "effect/Option"
import * as Path from "effect/Path"
import * as Result from "effect/Result"
import * as Schedule from "effect/Schedule"
import * as Schema from "effect/Schema"
import * as Semaphore from "effect/Semaphore"
import * as Stream from "effect/Stream"
import {
  Config,
  ConfigChanged,
  type ConfigInvalid,
  type ConfigSnapshot,
  ConfigUnreadable
} from "../../services/Config.ts"
import { OpenClawConfig } from "../../services/ConfigSchema.ts"
import * as Coalesced from "../coalesced.ts"
import { Redactor } from "../logging/Redactor.ts"
import { explain, madeBy, showValue } from "./explain.ts"
import { hasIncludes, merge, resolveIncludes } from "./include.ts"
import type { Path as ConfigPath } from "./path.ts"
import { parsePath, setAt, unsetAt } from "./path.ts"
import { secretsOf } from "./redact.ts"
import { invalid, parseText, readText, writeTree } from "./source.ts"
import type { Env, Substituted } from "./substitute.ts"
import { substitute } from "./substitute.ts"
import { unusedPaths } from "./unused.ts"

export interface ConfigOptions {
  /** Absolute path of `openclaw.json`; `resolveStateDir` names it. */
  readonly file: string
  /** Variables for `${NAME}`. Left out, only the file's own `env.vars` are known. */
  readonly env?: Env
  /** What flags say; goes over the file and is never written to it. */
  readonly overrides?: OpenClawConfig
}

const decode = Schema.decodeUnknownResult(OpenClawConfig, { errors: "all" })

/** How long the file must be quiet before it is read again: editors write in several steps. */
const DEBOUNCE = "200 millis"
/** Where the file system announces nothing (network shares, some containers), and for included files. */
const POLL = "10 seconds"

interface Loaded extends Substituted {
  readonly text: string | undefined
  /** The file's own tree. */
  readonly raw: unknown
  /** With its includes. */
  readonly composed: unknown
}

/** Where the text is: in a file, or in memory. */
export interface ConfigSource {
  /** What it is called in messages; an absolute path where it is a file. */
  readonly file: string
  /** `undefined` when there is none. */
  readonly read: Effect.Effect<string | undefined, ConfigUnreadable>
  /** Puts the includes into a tree. */
  readonly include: (tree: unknown) => Effect.Effect<unknown, ConfigInvalid | ConfigUnreadable>
  readonly write: (
    tree: unknown,
    before: { readonly text: string | undefined; readonly raw: unknown }
  ) => Effect.Effect<void, ConfigInvalid | ConfigUnreadable>
  /** Something may have changed. */
  readonly announced: Stream.Stream<unknown>
}

export const layer = (options: ConfigOptions): Layer.Layer<Config, never, FileSystem.FileSystem | Path.Path> =>
  Layer.unwrap(
    Effect.gen(function* () {
      const fs = yield* FileSystem.FileSystem
      const path = yield* Path.Path
      const { file } = options
      const source = { fs, path, file, remembered: new Map() }
      return layerOf(
        {
          file,
          read: readText(source, file),
          include: (tree) => resolveIncludes(source, tree),
          write: (tree, before) => writeTree(source, tree, before),
          announced: fs.watch(path.dirname(file)).pipe(
            Stream.filter((event) => path.basename(event.path) === path.basename(file)),
            Stream.catchCause((cause) =>
              Stream.fromEffectDrain(Effect.logDebug(`${file} is not watched, only read every ${POLL}`, cause))
            )
          )
        },
        options
      )
    })
  )

/** The configuration from any source. */
export const layerOf = (source: ConfigSource, options: Pick<ConfigOptions, "env" | "overrides">): Layer.Layer<Config> =>
  Layer.effect(
    Config,
    Effect.gen(function* () {
      const redactor = yield* Effect.serviceOption(Redactor)
      const writing = yield* Semaphore.make(1)
      const { file } = source
      const env = options.env ?? {}

      // Of a file that includes no other: its text alone decides.
      let whole: Loaded | undefined
      const load = Effect.fnUntraced(function* () {
        const text = yield* source.read
        if (whole !== undefined && whole.text === text) return whole
        const raw = text === undefined ? {} : yield* parseText(file, text)
        const composed = yield* source.include(raw)
        const loaded: Loaded = { text, raw, composed, ...substitute(composed, env) }
        if (Option.isSome(redactor)) yield* redactor.value.add(secretsOf(loaded.tree))
        whole = hasIncludes(raw) ? undefined : loaded
        return loaded
      })

      /** `shown` is the tree with variables not put in: what a problem may show. */
      const check = (tree: unknown, shown: unknown) =>
        Result.mapError(decode(tree), (error) => invalid(file, ...explain(error.issue, shown)))

      interface Current {
        readonly loaded: Loaded
        readonly key: string
        /** How many there were before it: one that comes back is another one, for those who saw what was between. */
        readonly generation: number
        readonly config: OpenClawConfig
      }
      let last: Current | undefined
      const current = Effect.fnUntraced(function* () {
        const loaded = yield* load()
        if (last?.loaded === loaded) return last
        // Some editors take the file away before they write it anew; nobody empties a running system by that.
        if (loaded.text === undefined && last?.loaded.text !== undefined) {
          return yield* new ConfigUnreadable({ file, message: `${file} is gone.` })
        }
        const tree = merge(loaded.tree, options.overrides)
        const key = JSON.stringify(tree) ?? ""
        if (last?.key === key) return (last = { ...last, loaded })
        const config = yield* Effect.fromResult(check(tree, merge(loaded.composed, options.overrides)))
        yield* Effect.forEach(loaded.missing, ({ path, reason }) => Effect.logWarning(`${file}: ${path}: ${reason}`))
        last = { loaded, key, config, generation: (last?.generation ?? 0) + 1 }
        return last
      })

      let reported: string | undefined
      /** A broken file is told once, not at each question; so is that it is good again. */
      const report = Effect.fnUntraced(function* (problem: string | undefined) {
        if (problem === reported) return
        reported = problem
        yield* problem === undefined
          ? Effect.logInfo(`${file} can be used again`)
          : Effect.logError(`the configuration as it was goes on, because the file cannot be used: ${problem}`)
      })

      /** A file that breaks while it is in use, for example in an editor, stops nobody. */
      const get = yield* Coalesced.make(
        // Every request asks: those that come together read the file once.
        Effect.suspend(current).pipe(
          Effect.tap(() => report(undefined)),
          Effect.catch((error) => (last === undefined ? Effect.fail(error) : Effect.as(report(error.message), last)))
        )
      )

      const parsed = (text: string): Effect.Effect<ConfigPath, ReturnType<typeof invalid>> =>
        Effect.mapError(Effect.fromResult(parsePath(text)), ({ at, expected }) =>
          invalid(file, { path: at, value: "a path that cannot be used", expected })
        )

      const problemsIn = (tree: unknown, shown: unknown) =>
        Result.match(check(tree, shown), { onFailure: ({ problems }) => problems, onSuccess: () => [] })

      /**
       * The whole result is checked first, as the next start will read it; then the file is replaced. What was wrong
       * before and elsewhere does not stand in the way, so that a file can be mended path by path.
       */
      const write = Effect.fnUntraced(function* (before: Loaded, tree: unknown, set: ConfigPath | undefined) {
        const composed = yield* source.include(tree)
        const after = problemsIn(substitute(composed, env).tree, composed)
        const made = after.length === 0 ? [] : madeBy(set, problemsIn(before.tree, before.composed), after)
        if (made.length > 0) return yield* invalid(file, ...made)
        yield* source.write(tree, before)
      })

      const set = Effect.fn("Config.set")(function* (text: string, value: unknown) {
        const at = yield* parsed(text)
        const before = yield* load()
        const tree = yield* Effect.mapError(Effect.fromResult(setAt(before.raw, at, value)), (problem) =>
          invalid(file, { path: problem.at, value: showValue(value, at), expected: problem.expected })
        )
        yield* write(before, tree, at)
      }, writing.withPermit)

      const unset = Effect.fn("Config.unset")(function* (text: string) {
        const at = yield* parsed(text)
        const before = yield* load()
        const after = unsetAt(before.raw, at)
        if (after === undefined) return false
        yield* write(before, after.tree, undefined)
        return true
      }, writing.withPermit)

      const unusedIn = (composed: unknown) => unusedPaths(composed, OpenClawConfig.ast)

      const snapshotOf = (loaded: Loaded): ConfigSnapshot => ({
        text: loaded.text,
        raw: loaded.raw,
        composed: loaded.composed,
        // A walk through the whole file each, and few of those who look at it ask for them.
        get problems() {
          return problemsIn(loaded.tree, loaded.composed)
        },
        get unusedKeys() {
          return unusedIn(loaded.composed)
        }
      })

      /** A file whose text or includes cannot be used has problems and no tree. */
      const broken = ({ problems }: ConfigInvalid) =>
        Effect.map(source.read, (text): ConfigSnapshot => ({
          text,
          raw: {},
          composed: {},
          problems,
          unusedKeys: []
        }))

      const inspect = Effect.suspend(load).pipe(Effect.map(snapshotOf), Effect.catchTag("ConfigInvalid", broken))

      const compose = (tree: unknown) => source.include(tree)
      const edit: Config["Service"]["edit"] = (change, { dryRun = false } = {}) =>
        Effect.gen(function* () {
          const before = yield* inspect
          const tree = yield* change(before, compose)
          if (tree === undefined) return before
          const composed = yield* compose(tree)
          const problems = problemsIn(substitute(composed, env).tree, composed)
          if (problems.length > 0) return yield* invalid(file, ...problems)
          if (dryRun) return before
          // Other processes write it too, the CLI for one.
          if ((yield* source.read) !== before.text) return yield* new ConfigChanged({ file })
          yield* source.write(tree, before)
          return yield* inspect
        }).pipe(writing.withPermit, Effect.withSpan("Config.edit"))

      /** The state before anybody could miss a change is read first; then both the file system and the clock are asked. */
      const changes: Config["Service"]["changes"] = Stream.unwrap(
        Effect.gen(function* () {
          let seen = (yield* Effect.option(get)).pipe(Option.getOrUndefined)?.generation
          const read = get.pipe(
            Effect.map((found) => {
              const changed = found.generation !== seen
              seen = found.generation
              return changed ? Option.some(found.config) : Option.none()
            }),
            Effect.catch((error) =>
              Effect.as(Effect.logWarning(`the configuration cannot be used: ${error.message}`), Option.none())
            )
          )
          return Stream.merge(source.announced, Stream.fromSchedule(Schedule.spaced(POLL))).pipe(
            Stream.debounce(DEBOUNCE),
            Stream.mapEffect(() => read),
            Stream.filterMap(Result.fromOption(() => undefined))
          )
        })
      )

      return {
        file,
        get: Effect.withSpan(
          Effect.map(get, ({ config }) => config),
          "Config.get"
        ),
        raw: Effect.map(Effect.suspend(load), ({ raw }) => raw),
        set,
        unset,
        inspect: Effect.withSpan(inspect, "Config.inspect"),
        edit,
        unusedKeys: Effect.map(Effect.suspend(load), ({ composed }) => unusedIn(composed)),
        changes
      }
    })
  )
