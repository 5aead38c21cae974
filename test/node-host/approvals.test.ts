import { assert, describe, it } from "@effect/vitest"
import * as Effect from "effect/Effect"
import * as FileSystem from "effect/FileSystem"
import * as Schema from "effect/Schema"
import { isListed } from "../../src/node-host/allowlist.ts"
import { commandText, sameCommand } from "../../src/domain/CommandLine.ts"
import { FILE } from "../../src/node-host/ExecApprovals.ts"
import { call, commands, context, refusal, run } from "./calls.ts"
import { Files, safe } from "./kit.ts"

describe("who may run what", () => {
  const approvals = (document: unknown) =>
    Effect.map(
      Files,
      (files) => void files.set(FILE, typeof document === "string" ? document : JSON.stringify(document))
    )

  it.live("a fresh node runs nothing unasked, and a broken list nothing at all", () =>
    Effect.gen(function* () {
      const fresh = yield* refusal({ command: ["echo", "hi"] })
      assert.strictEqual(fresh.code, "SYSTEM_RUN_DENIED")
      assert.include(fresh.message, "SYSTEM_RUN_DENIED: approval required")
      yield* approvals("{ not json")
      assert.strictEqual((yield* refusal({ command: ["echo", "hi"] })).code, "UNAVAILABLE")
      yield* approvals({ version: 2 })
      assert.strictEqual((yield* refusal({ command: ["echo", "hi"] })).code, "UNAVAILABLE")
    }).pipe(Effect.provide(safe))
  )

  it.live("security and ask, for all and for one agent", () =>
    Effect.gen(function* () {
      yield* approvals({
        version: 1,
        defaults: { security: "allowlist", ask: "off" },
        agents: {
          main: { allowlist: [{ pattern: "echo" }] },
          trusted: { security: "full" },
          none: { security: "deny" }
        }
      })
      const echo = (agentId?: string) => run({ command: ["echo", "hi"], ...(agentId === undefined ? {} : { agentId }) })
      assert.isTrue((yield* echo("main")).success)
      assert.isTrue((yield* echo("trusted")).success)
      assert.isTrue((yield* run({ command: ["echo"], sessionKey: "agent:main:telegram:1" })).success)
      assert.include((yield* Effect.flip(echo())).message, "SYSTEM_RUN_DENIED: allowlist miss")
      assert.strictEqual((yield* Effect.flip(echo("none"))).message, "SYSTEM_RUN_DISABLED: security=deny")
      yield* approvals({ version: 1, defaults: { security: "full", ask: "always" } })
      assert.include((yield* Effect.flip(echo())).message, "approval required")
    }).pipe(Effect.provide(safe))
  )

  it.live("patterns name programs; shells and wrappers need their arguments named too", () =>
    Effect.gen(function* () {
      const tried = Effect.fnUntraced(function* (entry: object, command: ReadonlyArray<string>) {
        yield* approvals({
          version: 1,
          defaults: { security: "allowlist", ask: "off" },
          agents: { "*": { allowlist: [entry] } }
        })
        return yield* Effect.isSuccess(run({ command }))
      })
      const echo = (yield* call("system.which", { bins: ["echo"] })) as { readonly bins: { readonly echo: string } }
      const absolute = echo.bins.echo
      assert.isTrue(yield* tried({ pattern: "echo" }, ["echo", "x"]))
      assert.isFalse(yield* tried({ pattern: "echo" }, [absolute, "x"]))
      assert.isTrue(yield* tried({ pattern: absolute }, ["echo", "x"]))
      assert.isTrue(yield* tried({ pattern: "/**/echo" }, ["echo"]))
      assert.isFalse(yield* tried({ pattern: "/*/echo" }, ["/usr/bin/echo"]))
      assert.isFalse(yield* tried({ pattern: "/usr/bin/ech." }, ["/usr/bin/echo"]))
      assert.isFalse(yield* tried({ pattern: "echo" }, ["no-such-program"]))
      assert.isTrue(yield* tried({ pattern: "echo", argPattern: "^a b$" }, ["echo", "a", "b"]))
      assert.isFalse(yield* tried({ pattern: "echo", argPattern: "^a b$" }, ["echo", "a", "b", "c"]))
      assert.isFalse(yield* tried({ pattern: "echo", argPattern: "(" }, ["echo", "("]))
      assert.isFalse(yield* tried({ pattern: "echo", argPattern: "sha256:cwd-argv:v1:00" }, ["echo"]))
      for (const carrier of [
        ["sh", "-c", "echo"],
        ["env", "echo"],
        ["timeout", "1", "echo"],
        ["/bin/sh", "-c", "echo"]
      ]) {
        assert.isFalse(yield* tried({ pattern: carrier[0] }, carrier))
      }
      assert.isTrue(yield* tried({ pattern: "sh", argPattern: "^-c echo$" }, ["sh", "-c", "echo"]))
    }).pipe(Effect.provide(safe))
  )

  it.live("an approval counts once, for exactly what was prepared (E1)", () =>
    Effect.gen(function* () {
      const fs = yield* FileSystem.FileSystem
      const folder = yield* fs.makeTempDirectoryScoped()
      yield* fs.writeFileString(`${folder}/script`, "echo one")
      // One table: what was prepared is remembered by it.
      const table = yield* commands
      const invoke = (name: string, params: object) => table.get(name)!(params, context)
      const asked = { command: ["/bin/sh", "script"], cwd: folder, agentId: "main", sessionKey: "agent:main:main" }
      const prepare = Effect.map(
        invoke("system.run.prepare", asked),
        (answer) =>
          (
            answer as {
              readonly plan: { argv: Array<string>; cwd: string; commandText: string; mutableFileOperand: unknown }
            }
          ).plan
      )
      const approved = (overrides: object) => {
        const request = { ...asked, approved: true, approvalDecision: "allow-once", ...overrides }
        return invoke("system.run", request)
      }
      const plan = yield* prepare
      assert.strictEqual(plan.argv[0], "/bin/sh")
      assert.deepInclude(plan.mutableFileOperand, { argvIndex: 1, path: `${plan.cwd}/script` })
      const differing: ReadonlyArray<object> = [
        { command: ["/bin/sh", "script", "more"] },
        { cwd: "/" },
        { env: { LANG: "C" } },
        { agentId: "other" },
        { sessionKey: "agent:main:other" }
      ]
      for (const overrides of differing) {
        const error = yield* Effect.flip(approved(overrides))
        assert.include(error.message, "the approval is not for this command")
      }
      yield* fs.writeFileString(`${folder}/script`, "echo two")
      assert.include((yield* Effect.flip(approved({}))).message, "the approval is not for this command")
      yield* prepare
      const run = { command: plan.argv, rawCommand: plan.commandText, cwd: plan.cwd }
      assert.include(yield* approved(run), { stdout: "two\n" })
      assert.include((yield* Effect.flip(approved(run))).message, "the approval is not for this command")
      // Without a claim of approval, the answer is to ask.
      assert.include((yield* Effect.flip(invoke("system.run", asked))).message, "approval required")
      yield* prepare
      yield* approvals({ version: 1, defaults: { security: "deny" } })
      assert.include((yield* Effect.flip(approved({}))).message, "security=deny")
      assert.include((yield* Effect.flip(prepare)).message, "security=deny")
    }).pipe(Effect.scoped, Effect.provide(safe))
  )

  it.live("the list is read without its token and replaced only by who saw the present one", () =>
    Effect.gen(function* () {
      const files = yield* Files
      const get = Effect.map(
        call("system.execApprovals.get", {}),
        (answer) => answer as { hash: string; exists: boolean; file: unknown }
      )
      const empty = yield* get
      assert.isFalse(empty.exists)
      const set = (params: unknown) => call("system.execApprovals.set", params)
      yield* set({ file: { version: 1, agents: { main: { allowlist: [{ pattern: "uname" }] } } } })
      files.set(FILE, JSON.stringify({ ...JSON.parse(files.get(FILE)!), socket: { path: "s", token: "canary" } }))
      const present = yield* get
      assert.notInclude(JSON.stringify(present), "canary")
      const next = { version: 1, defaults: { security: "full", ask: "off" } }
      assert.include((yield* Effect.flip(set({ file: next }))).message, "base hash required")
      assert.include((yield* Effect.flip(set({ file: next, baseHash: empty.hash }))).message, "changed; reload")
      for (const file of [
        { version: 2 },
        { version: 1, defaults: { security: "nope" } },
        { version: 1, surplus: 1 },
        null
      ]) {
        assert.strictEqual((yield* Effect.flip(set({ file, baseHash: present.hash }))).code, "INVALID_REQUEST")
      }
      yield* set({ file: next, baseHash: present.hash })
      assert.include(files.get(FILE), "canary")
      assert.isTrue((yield* run({ command: ["uname"] })).success)
    }).pipe(Effect.provide(safe))
  )
})

describe("programs that run programs", () => {
  const asked = (argv: ReadonlyArray<string>, path: string, realPath = path) => ({
    argv,
    executable: { path, realPath, identity: [] },
    homeDir: "/home/ada",
    cwd: "/home/ada"
  })

  it("are known by any of their names, and need all of their arguments named", () => {
    const carriers =
      "sh dash fish env find fdfind awk gawk mawk python3 python3.11 pypy3 perl perl5.36.0 ruby3.1 node nodejs deno bun php8.2 lua5.4 tclsh git tar bsdtar ssh scp rsync make cmake script unshare nsenter chroot timeout nice nohup stdbuf setsid watch parallel xargs flock busybox toybox gdb strace ltrace vi vim.tiny nc.openbsd bash-static python3-dbg vim nvim less man docker podman kubectl ld-linux-x86-64.so.2 ld.so ld-2.31.so ld-musl-x86_64.so.1 ld-linux.so.2 qemu-x86_64 sudo su systemd-run tcpdump wget sort sed zip gcc-12 clang++-14 npx cargo cmd.exe PowerShell.EXE sqlite3 psql"
    for (const name of carriers.split(" ")) {
      const path = `/usr/bin/${name}`
      for (const command of [
        asked([name, "x"], path),
        asked([path, "x"], path),
        // A link; but several programs in one are the one that they are called as.
        ...(name.endsWith("box") ? [] : [asked(["harmless", "x"], "/home/ada/bin/harmless", path)])
      ]) {
        const listed = (pattern: string, argPattern?: string) =>
          isListed([argPattern === undefined ? { pattern } : { pattern, argPattern }], command)
        for (const pattern of [name, path, "harmless", "/home/ada/bin/harmless"]) assert.isFalse(listed(pattern), name)
        for (const glob of ["/usr/bin/*", "/**", "~/bin/*", "/home/ada/bin/harmles?"]) {
          assert.isFalse(listed(glob, ".*"), name)
          assert.isFalse(listed(glob), name)
        }
        assert.isTrue(listed(path, "x"), name)
        assert.isTrue(listed(path, "^x$|^y$"), name)
        for (const part of ["^", "", "y|", ")(", "x)|(?:"]) assert.isFalse(listed(path, part), name)
      }
    }
  })

  it("are not those with a name like theirs, nor one applet of several for another", () => {
    const plain = [
      "uptime",
      "df",
      "ls",
      "cat",
      "gzip",
      "bzip2",
      "date",
      "uname",
      "base64",
      "grep",
      "md5sum",
      "ping6",
      "free"
    ]
    for (const name of plain) {
      const path = `/usr/bin/${name}`
      assert.isTrue(isListed([{ pattern: name }], asked([name], path)), name)
      assert.isTrue(isListed([{ pattern: "/usr/bin/*" }], asked([name], path)), name)
      // As on Alpine.
      assert.isTrue(isListed([{ pattern: name }], asked([name], path, "/bin/busybox")), name)
      assert.isFalse(isListed([{ pattern: "/bin/busybox" }], asked([name], path, "/bin/busybox")), name)
    }
    assert.isFalse(isListed([{ pattern: "sh" }], asked(["sh"], "/bin/sh", "/bin/busybox")))
    assert.isFalse(isListed([{ pattern: "busybox" }], asked(["busybox"], "/bin/busybox")))
    assert.isFalse(isListed([{ pattern: "x" }], asked(["x"], "/home/ada/busybox-x", "/bin/busybox")))
  })

  it("run with the arguments that the guide's example names, and no more", () => {
    const listed = (...args: ReadonlyArray<string>) =>
      isListed([{ pattern: "git", argPattern: String.raw`^(status|log)\b` }], asked(["git", ...args], "/usr/bin/git"))
    assert.isTrue(listed("status"))
    assert.isTrue(listed("log"))
    for (const args of [
      ["log", "--output=/home/ada/.profile"],
      ["status-x"],
      ["-c", "alias.log=!id", "log"],
      ["push"]
    ]) {
      assert.isFalse(listed(...args))
    }
  })
})

describe("a command as text (E2)", () => {
  it.prop(
    "nothing invisible, and no two commands look the same",
    [Schema.Array(Schema.String), Schema.Array(Schema.String)],
    ([left, right]) => {
      const text = commandText(left)
      assert.notMatch(text, /[\p{Cc}\p{Cf}\p{Zl}\p{Zp}\p{Cs}]/u)
      assert.isTrue(sameCommand(text, left) || text === "" || text !== text.trim())
      assert.strictEqual(text === commandText(right), JSON.stringify(left) === JSON.stringify(right))
    }
  )

  it("direction marks, zero-width characters and newlines are shown, not obeyed", () => {
    assert.strictEqual(
      commandText(["rm", "a\u202eb", "c\u200bd", "e\nf", "$(id)"]),
      String.raw`rm "a\u{202e}b" "c\u{200b}d" "e\u{a}f" "\$(id)"`
    )
    assert.strictEqual(commandText(["echo", "x".repeat(10_000)]).length, 10_005)
  })
})
