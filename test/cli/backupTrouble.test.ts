/**
 * `openclaw backup` where things go wrong: what is cut off, killed, or goes away in the meantime.
 */
import { spawnSync } from "node:child_process"
import fs, * as Fs from "node:fs"
import { syncBuiltinESMExports } from "node:module"
import * as Path from "node:path"
import { assert, describe, it } from "@effect/vitest"
import * as Effect from "effect/Effect"
import { change, rows, stopped } from "./backupKit.ts"
import { run } from "./kit.ts"

/** Until the scope closes, so many folders and files are moved in a state directory; then the disk refuses. */
const movesBefore = (most: number) =>
  Effect.acquireRelease(
    Effect.sync(() => {
      const original = fs.renameSync
      let left = most
      fs.renameSync = (from, to) => {
        if (String(to).endsWith("restore-in-progress.json")) return original(from, to)
        if (left-- === 0) throw new Error("the disk refuses")
        return original(from, to)
      }
      syncBuiltinESMExports()
      return original
    }),
    (original) =>
      Effect.sync(() => {
        fs.renameSync = original
        syncBuiltinESMExports()
      })
  )

/** Until the scope closes, `f` runs right before a file is copied. */
const whenCopied = (f: (file: string) => void) =>
  Effect.acquireRelease(
    Effect.sync(() => {
      const original = fs.copyFileSync
      fs.copyFileSync = (from, to, mode) => {
        f(String(from))
        return original(from, to, mode)
      }
      syncBuiltinESMExports()
      return original
    }),
    (original) =>
      Effect.sync(() => {
        fs.copyFileSync = original
        syncBuiltinESMExports()
      })
  )

describe("openclaw backup in trouble", () => {
  it.live("knows what was there before, however often restoring is cut off", () =>
    Effect.gen(function* () {
      const { archive, setting, stateDir } = yield* stopped
      Fs.writeFileSync(Path.join(stateDir, "later"), "later", { mode: 0o600 })
      // Cut off after so many things were moved: in the midst of what was there, then of what comes.
      for (const [moves, left] of [
        [2, 1],
        [4, 2]
      ] as const) {
        yield* Effect.scoped(
          Effect.gen(function* () {
            yield* movesBefore(moves)
            const cut = yield* run(setting, "backup", "restore", archive, "--yes")
            assert.strictEqual(cut.code, 1)
            const asides = Fs.readdirSync(stateDir).filter((name) => name.startsWith("before-restore-"))
            assert.strictEqual(asides.length, left)
            for (const name of asides) assert.include(cut.stderr, name)
          })
        )
      }
      const restored = yield* run(setting, "backup", "restore", archive, "--yes", "--json")
      assert.strictEqual(restored.code, 0, restored.stdout)
      const { aside, leftBehind } = JSON.parse(restored.stdout)
      const all: ReadonlyArray<string> = [aside, ...leftBehind]
      assert.deepStrictEqual(
        all.toSorted(),
        Fs.readdirSync(stateDir)
          .filter((name) => name.startsWith("before-restore-"))
          .map((name) => Path.join(stateDir, name))
      )
      assert.strictEqual(aside, all.toSorted()[0])
      assert.isTrue(all.some((folder) => Fs.existsSync(Path.join(folder, "later"))))
      assert.strictEqual((yield* run(setting, "pairing", "list")).code, 0)
    }).pipe(Effect.scoped)
  )

  it.live("takes everything anew when a file went away that the database names, and does without any other", () =>
    Effect.gen(function* () {
      const { folder, setting, stateDir } = yield* stopped
      const media = Path.join(stateDir, "media", "outbound")
      Fs.mkdirSync(media, { recursive: true, mode: 0o700 })
      const [named, lost, other] = ["a".repeat(64), "b".repeat(64), "c".repeat(64)]
      for (const id of [named, other]) Fs.writeFileSync(Path.join(media, id), id, { mode: 0o600 })
      const message = (id: string) =>
        `INSERT INTO channel_outbox (key, fingerprint, channel, account_id, chat_id, state, created_at, updated_at, message)
           VALUES ('${id}', 'f', 'nowhere', 'default', '7', 'sending', 1, 1, json_object('media', json_array(json_object('id', '${id}'))));`
      change(stateDir, message(named))
      // A Gateway delivers right before it is copied: the message is answered, then its file goes.
      yield* whenCopied((file) => {
        if (!file.startsWith(media) || !Fs.existsSync(file)) return
        change(stateDir, `DELETE FROM channel_outbox WHERE key = '${Path.basename(file)}'`)
        Fs.rmSync(file)
      })
      const archive = Path.join(folder, "vanished.tar.gz")
      const made = yield* run(setting, "backup", "create", "--output", archive, "--verify", "--json")
      assert.strictEqual(made.code, 0, made.stdout)
      assert.deepStrictEqual(JSON.parse(made.stdout).skipped, [])
      const elsewhere = Path.join(folder, "elsewhere")
      yield* run({ home: folder, variables: { OPENCLAW_STATE_DIR: elsewhere } }, "backup", "restore", archive, "--yes")
      assert.deepStrictEqual(rows(elsewhere, "SELECT key FROM channel_outbox WHERE channel = 'nowhere'"), [])
      assert.isFalse(Fs.existsSync(Path.join(elsewhere, "media", "outbound", named)))

      change(stateDir, message(lost))
      const again = yield* run(setting, "backup", "create", "--output", `${archive}.2`, "--json")
      assert.deepStrictEqual(JSON.parse(again.stdout).skipped, [`media/outbound/${lost}`])
    }).pipe(Effect.scoped)
  )

  it.live("clears the secrets that a killed backup left, and nobody else's", () =>
    Effect.gen(function* () {
      const { archive, folder, setting } = yield* stopped
      const dead = spawnSync(process.execPath, ["-e", ""]).pid
      const left = (name: string, pid: number, started: string) => {
        const place = Path.join(folder, `.openclaw-backup.tmp-${name}`)
        Fs.mkdirSync(place, { mode: 0o700 })
        Fs.writeFileSync(Path.join(place, "0"), "a secret", { mode: 0o600 })
        const lock = { pid, started, nonce: "0".repeat(32) }
        Fs.writeFileSync(Path.join(place, "lock"), JSON.stringify(lock), { mode: 0o600 })
        return place
      }
      const killed = left("killed", dead, "a boot/1")
      const alive = left("alive1", process.pid, "unknown")
      const foreign = Path.join(folder, ".openclaw-backup.tmp-other1")
      Fs.mkdirSync(foreign)
      const made = yield* run(setting, "backup", "create", "--output", `${archive}.2`)
      assert.strictEqual(made.code, 0, made.stderr)
      assert.isFalse(Fs.existsSync(killed))
      assert.isTrue(Fs.existsSync(alive))
      assert.isTrue(Fs.existsSync(foreign))
    }).pipe(Effect.scoped)
  )

  it.live("knows the state directory by any name, and tells what the configuration includes from elsewhere", () =>
    Effect.gen(function* () {
      const { archive, folder, setting, stateDir } = yield* stopped
      const link = Path.join(folder, "link")
      Fs.symlinkSync(stateDir, link)
      const inside = yield* run(setting, "backup", "create", "--output", Path.join(link, "b.tar.gz"))
      assert.strictEqual(inside.code, 1)
      assert.include(inside.stderr, "inside the state directory")

      const config = Path.join(folder, "config", "openclaw.json")
      const included = Path.join(folder, "config", "more.json5")
      Fs.mkdirSync(Path.dirname(config))
      Fs.writeFileSync(config, '{ agents: { $include: "./more.json5" } }', { mode: 0o600 })
      Fs.writeFileSync(included, "{}", { mode: 0o600 })
      const there = { home: folder, variables: { ...setting.variables, OPENCLAW_CONFIG_PATH: config } }
      const told = yield* run(there, "backup", "create", "--output", `${archive}.2`)
      assert.strictEqual(told.code, 0, told.stderr)
      assert.include(told.stdout, included)
      const json = yield* run(there, "backup", "create", "--output", `${archive}.3`, "--json")
      assert.deepStrictEqual(JSON.parse(json.stdout).includesLeftOut, [included])
    }).pipe(Effect.scoped)
  )
})
