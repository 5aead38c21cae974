/**
 * `openclaw backup` from the outside: a running Gateway is backed up, the archive is checked, and restored elsewhere or in place.
 */
import { spawnSync } from "node:child_process"
import fs, * as Fs from "node:fs"
import { syncBuiltinESMExports } from "node:module"
import * as Path from "node:path"
import { DatabaseSync } from "node:sqlite"
import { gunzipSync, gzipSync } from "node:zlib"
import { assert, describe, it } from "@effect/vitest"
import * as Context from "effect/Context"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import type * as Scope from "effect/Scope"
import * as BotApi from "../../src/testing/BotApi.ts"
import * as GatewayTest from "../../src/testing/GatewayTest.ts"
import { home, run } from "./kit.ts"

const ada = { id: 4711, firstName: "Ada" }

const config = (bot: BotApi.BotApiServer) => ({
  agents: { defaults: { model: "builtin/offline" } },
  channels: {
    telegram: { botToken: bot.token, apiRoot: bot.url, dmPolicy: "allowlist" as const, allowFrom: [ada.id, 4712] }
  }
})

/** A Gateway that has answered a message. */
const gateway = Effect.fnUntraced(function* (stateDir: string, person = ada) {
  const bot = yield* BotApi.serve()
  const services = yield* Layer.build(GatewayTest.layer({ stateDir, config: config(bot) }))
  yield* bot.awaitPolling
  yield* bot.sendText({ from: person, text: "hello" })
  yield* bot.awaitReply({ chatId: person.id })
  yield* bot.awaitConfirmed
  return { bot, kit: Context.get(services, GatewayTest.GatewayTest) }
})

const place = Effect.gen(function* () {
  const folder = yield* home
  const stateDir = Path.join(folder, "state")
  Fs.mkdirSync(stateDir, { mode: 0o700 })
  return { folder, stateDir, setting: { home: folder, variables: { OPENCLAW_STATE_DIR: stateDir } } }
})

/** The archive of a Gateway that was stopped before. */
const stopped = Effect.gen(function* () {
  const at = yield* place
  yield* Effect.scoped(gateway(at.stateDir))
  Fs.writeFileSync(Path.join(at.stateDir, "node-id"), "a file of ours", { mode: 0o600 })
  const archive = Path.join(at.folder, "b.tar.gz")
  const made = yield* run(at.setting, "backup", "create", "--output", archive, "--verify")
  assert.strictEqual(made.code, 0, made.stderr)
  return { ...at, archive, made }
})

const database = (stateDir: string) => Path.join(stateDir, "state", "openclaw.sqlite")

const rows = (stateDir: string, sql: string) => {
  const db = new DatabaseSync(database(stateDir), { readOnly: true })
  const found = db.prepare(sql).all()
  db.close()
  return found.map((row) => ({ ...row }))
}

const change = (stateDir: string, sql: string) => {
  const db = new DatabaseSync(database(stateDir))
  db.exec(sql)
  db.close()
}

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

const leftovers = (folder: string) => Fs.readdirSync(folder).filter((name) => /tmp|restoring/.test(name))

describe("openclaw backup", () => {
  it.live("backs up a running Gateway, and the archive holds what was committed", () =>
    Effect.gen(function* () {
      const { folder, setting, stateDir } = yield* place
      const { kit } = yield* gateway(stateDir)
      const made = yield* run(setting, "backup", "create", "--json")
      assert.strictEqual(made.code, 0, made.stdout)
      const told = JSON.parse(made.stdout)
      assert.deepInclude(told, { gatewayRunning: true, containsCredentials: true, skipped: [] })
      assert.strictEqual(Fs.statSync(told.archivePath).mode & 0o777, 0o600)
      const client = yield* kit.connect()
      assert.deepInclude((yield* client.call.health({})).storage, { condition: "ok" })

      const verified = yield* run(setting, "backup", "verify", told.archivePath)
      assert.strictEqual(verified.code, 0, verified.stderr)

      // The system's own tar reads it.
      const unpacked = Path.join(folder, "unpacked")
      Fs.mkdirSync(unpacked)
      const tar = spawnSync("tar", ["-xzf", told.archivePath, "-C", unpacked], { encoding: "utf8" })
      assert.strictEqual(tar.status, 0, tar.stderr)
      const [name = ""] = Fs.readdirSync(unpacked)
      const inside = Path.join(unpacked, name, "payload", "state")
      assert.deepStrictEqual(rows(inside, "SELECT COUNT(*) AS n FROM turns"), [{ n: 1 }])
      assert.strictEqual(
        Fs.readFileSync(Path.join(inside, "openclaw.json"), "utf8"),
        Fs.readFileSync(Path.join(stateDir, "openclaw.json"), "utf8")
      )
      assert.notInclude(Fs.readdirSync(inside), "gateway.lock")

      const refused = yield* run(setting, "backup", "restore", told.archivePath, "--yes")
      assert.strictEqual(refused.code, 1)
      assert.include(refused.stderr, "already owns")
      assert.deepStrictEqual(leftovers(folder), [])
      assert.deepStrictEqual(leftovers(stateDir), [])
    }).pipe(Effect.scoped)
  )

  it.live("restores what was there, keeps what is there now, and the Gateway starts on it", () =>
    Effect.gen(function* () {
      const { archive, setting, stateDir } = yield* stopped
      change(stateDir, "DELETE FROM turns")
      Fs.writeFileSync(Path.join(stateDir, "later"), "later", { mode: 0o600 })
      const asked = yield* run(setting, "backup", "restore", archive)
      assert.include(asked.stderr, "pass --yes")
      const restored = yield* run(setting, "backup", "restore", archive, "--yes", "--json")
      assert.strictEqual(restored.code, 0, restored.stdout)
      const { aside, setAside } = JSON.parse(restored.stdout)
      assert.isNull(setAside)
      assert.strictEqual(Fs.readFileSync(Path.join(aside, "later"), "utf8"), "later")
      assert.isFalse(Fs.existsSync(Path.join(stateDir, "later")))
      assert.deepStrictEqual(rows(stateDir, "SELECT COUNT(*) AS n FROM turns"), [{ n: 1 }])
      assert.deepStrictEqual(rows(aside.replace(/\/$/, ""), "SELECT COUNT(*) AS n FROM turns"), [{ n: 0 }])
      assert.strictEqual(Fs.readFileSync(Path.join(stateDir, "node-id"), "utf8"), "a file of ours")
      assert.deepStrictEqual(leftovers(stateDir), [])
      // Another person: what the first one wrote was answered before the backup, and is not answered again.
      yield* Effect.scoped(gateway(stateDir, { id: 4712, firstName: "Bob" }))
    }).pipe(Effect.scoped)
  )

  it.live("restores over a database that is damaged", () =>
    Effect.gen(function* () {
      const { archive, setting, stateDir } = yield* stopped
      Fs.writeFileSync(database(stateDir), "no database any more")
      const started = yield* run(setting, "gateway", "run", "--port", "0")
      assert.strictEqual(started.code, 1)
      assert.include(started.stderr, database(stateDir))
      assert.include(started.stderr, "Nothing was changed")
      assert.include(started.stderr, "openclaw backup restore")
      assert.strictEqual(Fs.readFileSync(database(stateDir), "utf8"), "no database any more")
      const refused = yield* run(setting, "backup", "create", "--output", `${archive}.second.tar.gz`)
      assert.strictEqual(refused.code, 1)
      assert.isFalse(Fs.existsSync(`${archive}.second.tar.gz`))
      const restored = yield* run(setting, "backup", "restore", archive, "--yes")
      assert.strictEqual(restored.code, 0, restored.stderr)
      assert.deepStrictEqual(rows(stateDir, "SELECT COUNT(*) AS n FROM turns"), [{ n: 1 }])
    }).pipe(Effect.scoped)
  )

  it.live("does not start on a half-restored directory, and restoring again makes it whole", () =>
    Effect.gen(function* () {
      const { archive, setting, stateDir } = yield* stopped
      Fs.writeFileSync(Path.join(stateDir, "restore-in-progress.json"), "{}")
      Fs.renameSync(Path.join(stateDir, "state"), Path.join(stateDir, "before-restore-x"))
      Fs.mkdirSync(Path.join(stateDir, ".restoring-killed"))
      const refused = yield* run(setting, "pairing", "list")
      assert.strictEqual(refused.code, 1)
      assert.include(refused.stderr, "cut off half-way")
      const restored = yield* run(setting, "backup", "restore", archive, "--yes")
      assert.strictEqual(restored.code, 0, restored.stderr)
      assert.strictEqual((yield* run(setting, "pairing", "list")).code, 0)
      assert.isTrue(Fs.existsSync(Path.join(stateDir, "before-restore-x")))
      assert.deepStrictEqual(leftovers(stateDir), [])
    }).pipe(Effect.scoped)
  )

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

  it.live("sets aside what the Gateway may have finished after the snapshot, unless told to resume", () =>
    Effect.gen(function* () {
      const { folder, setting, stateDir } = yield* place
      const { bot } = yield* gateway(stateDir)
      change(
        stateDir,
        `INSERT INTO channel_inbox (channel, source, message_key, account_id, received_at, message)
           VALUES ('nowhere', 's', 'k', 'default', 1, '{}');
         INSERT INTO turns (run_id, session_key, request, submitted_at)
           VALUES ('open', 'agent:main:main', json_object('runId', 'open', 'sessionKey', 'agent:main:main', 'agentId', 'main', 'text', 'x', 'receivedAt', 1), 1);
         INSERT INTO channel_outbox (key, fingerprint, channel, account_id, chat_id, state, created_at, updated_at)
           VALUES ('k', 'f', 'nowhere', 'default', '7', 'sending', 1, 1)`
      )
      const archive = Path.join(folder, "busy.tar.gz")
      const made = yield* run(setting, "backup", "create", "--output", archive)
      assert.strictEqual(made.code, 0, made.stderr)
      assert.include(made.stdout, "credentials")
      assert.notInclude(made.stdout, bot.token)
      const open = "SELECT COUNT(*) AS n FROM turns WHERE finished_at IS NULL AND abort_requested_at IS NULL"
      const elsewhere = (name: string) => ({
        home: folder,
        variables: { OPENCLAW_STATE_DIR: Path.join(folder, name) }
      })
      const careful = yield* run(elsewhere("one"), "backup", "restore", archive, "--json")
      assert.deepStrictEqual(JSON.parse(careful.stdout).setAside, { turns: 1, messages: 1, deliveries: 1 })
      assert.deepStrictEqual(rows(Path.join(folder, "one"), open), [{ n: 0 }])
      assert.deepStrictEqual(rows(Path.join(folder, "one"), "SELECT state FROM channel_outbox WHERE key = 'k'"), [
        { state: "unknown" }
      ])
      assert.deepStrictEqual(rows(Path.join(folder, "one"), "SELECT run_id FROM dead_letters"), [{ run_id: "open" }])
      const eager = yield* run(elsewhere("two"), "backup", "restore", archive, "--resume")
      assert.strictEqual(eager.code, 0, eager.stderr)
      assert.deepStrictEqual(rows(Path.join(folder, "two"), open), [{ n: 1 }])
    }).pipe(Effect.scoped)
  )

  const damages: Readonly<Record<string, readonly [(tar: Buffer) => Buffer, string]>> = {
    "a changed byte": [
      (tar) => {
        const at = tar.indexOf("a file of ours")
        tar[at] = 0x41
        return gzipSync(tar)
      },
      "SHA-256"
    ],
    "a cut end": [(tar) => gzipSync(tar).subarray(0, 2_000), "cannot be read as a backup"],
    "a tar that ends early": [(tar) => gzipSync(tar.subarray(0, 20_000)), "ends in the middle"],
    "a damaged header": [
      (tar) => {
        tar[3] = 0x7f
        return gzipSync(tar)
      },
      "a header in it is damaged"
    ],
    "no archive": [() => Buffer.from("hello"), "cannot be read as a backup"],
    nothing: [() => Buffer.alloc(0), "cannot be read as a backup"]
  }
  it.live("refuses a damaged archive, and restores nothing of it", () =>
    Effect.gen(function* () {
      const { archive, setting, stateDir } = yield* stopped
      const tar = gunzipSync(Fs.readFileSync(archive))
      for (const [name, [damage, expected]] of Object.entries(damages)) {
        const broken = `${archive}.broken`
        Fs.writeFileSync(broken, damage(Buffer.from(tar)))
        const verified = yield* run(setting, "backup", "verify", broken)
        assert.strictEqual(verified.code, 1, name)
        assert.include(verified.stderr, expected, name)
        const before = Fs.readdirSync(stateDir)
        const restored = yield* run(setting, "backup", "restore", broken, "--yes")
        assert.strictEqual(restored.code, 1, name)
        assert.deepStrictEqual(Fs.readdirSync(stateDir), before)
      }
    }).pipe(Effect.scoped)
  )

  it.live("replaces no file, leaves none half made, and backs up no empty place", () =>
    Effect.gen(function* (): Effect.fn.Return<void, unknown, Scope.Scope> {
      const { archive, folder, setting, stateDir } = yield* stopped
      const again = yield* run(setting, "backup", "create", "--output", archive)
      assert.include(again.stderr, "exists already")
      const inside = yield* run(setting, "backup", "create", "--output", Path.join(stateDir, "b.tar.gz"))
      assert.include(inside.stderr, "inside the state directory")
      const nowhere = yield* run(setting, "backup", "create", "--output", Path.join(folder, "no", "where.tar.gz"))
      assert.strictEqual(nowhere.code, 1)
      const empty = yield* run({ home: folder }, "backup", "create", "--output", Path.join(folder, "e.tar.gz"))
      assert.include(empty.stderr, "nothing to back up")
      assert.deepStrictEqual(leftovers(folder), [])
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
