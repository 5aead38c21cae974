/**
 * `openclaw backup` from the outside: a running Gateway is backed up, the archive is checked, and restored elsewhere or in place.
 */
import { spawnSync } from "node:child_process"
import * as Fs from "node:fs"
import * as Path from "node:path"
import { gunzipSync, gzipSync } from "node:zlib"
import { assert, describe, it } from "@effect/vitest"
import * as Effect from "effect/Effect"
import type * as Scope from "effect/Scope"
import { change, database, gateway, leftovers, place, rows, stopped } from "./backupKit.ts"
import { run } from "./kit.ts"

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
})
