/** Definitions as text: whatever stands in them is read back as it was, by us and by the programs that they are for. */
import { spawnSync } from "node:child_process"
import { assert, describe, it } from "@effect/vitest"
import * as Result from "effect/Result"
import * as Schema from "effect/Schema"
import * as EnvironmentFile from "../../src/layers/service/environmentFile.ts"
import { labelOf, unitOf } from "../../src/layers/service/names.ts"
import * as Plist from "../../src/layers/service/plist.ts"
import * as Unit from "../../src/layers/service/unit.ts"
import type { ServiceDefinition } from "../../src/services/ServiceManager.ts"
import { holdersIn, inodesIn } from "../../src/cli/service/holders.ts"

const definition = (more: Partial<ServiceDefinition> = {}): ServiceDefinition => ({
  name: { kind: "gateway", profile: undefined },
  description: "OpenClaw Gateway",
  command: ["/usr/bin/node", "/opt/openclaw/bin/openclaw.js", "gateway", "run"],
  workingDirectory: "/home/ada",
  environment: { OPENCLAW_STATE_DIR: "/home/ada/.openclaw" },
  environmentFile: "/home/ada/.openclaw/gateway-service.env",
  outputFile: "/home/ada/.openclaw/logs/gateway-service.log",
  ...more
})

/** What a path or a setting may be on the disk, and then some. */
const Word = Schema.String.pipe(Schema.check(Schema.isPattern(/^\P{Cc}*$/u)))
const isText = (word: string) => word.isWellFormed() && !/[\uFFFE\uFFFF\p{Cc}]/u.test(word)

const hostile = [
  "a b",
  "it's",
  '"',
  "\\",
  "$HOME",
  "${HOME}",
  "%h",
  "%%",
  "$$",
  "\\\\x20",
  "é🦞",
  "",
  "a;b",
  "#",
  "<&>"
]

describe("names", () => {
  it("of two profiles, and of Gateway and node, differ", () => {
    const all = (["gateway", "node"] as const).flatMap((kind) =>
      [undefined, "a", "gateway", "node"].map((profile) => ({ kind, profile }))
    )
    assert.strictEqual(new Set(all.map(unitOf)).size, all.length)
    assert.strictEqual(new Set(all.map(labelOf)).size, all.length)
    assert.strictEqual(unitOf({ kind: "gateway", profile: undefined }), "openclaw-gateway.service")
    assert.strictEqual(unitOf({ kind: "gateway", profile: "work" }), "openclaw-gateway-work.service")
    assert.strictEqual(labelOf({ kind: "node", profile: undefined }), "ai.openclaw.node")
  })
})

describe("a unit of systemd", () => {
  const text = (more: Partial<ServiceDefinition>, version?: number) => Unit.render(definition(more), version)

  it("is read back as it was", () => {
    const command = ["/opt/n o/node", ...hostile] as const
    const environment = Object.fromEntries(hostile.map((value, at) => [`V${at}`, value]))
    const unit = Result.getOrThrow(text({ command, environment }))
    assert.deepStrictEqual(Unit.commandOf(unit), [...command])
    assert.deepStrictEqual(Unit.environmentOf(unit), environment)
  })

  it.prop("whatever stands in it", [Schema.Array(Word)], ([words]) => {
    const given = words.filter(isText)
    const unit = Result.getOrThrow(text({ command: ["/node", ...given] }))
    assert.deepStrictEqual(Unit.commandOf(unit), ["/node", ...given])
  })

  it("never has a second line where one was given", () => {
    for (const bad of ["a\nExecStart=/bin/sh", "a\rb", "a\0b", "\ud800"]) {
      for (const more of [
        { command: ["/node", bad] as const },
        { command: [bad] as const },
        { description: bad },
        { workingDirectory: bad },
        { environmentFile: bad },
        { environment: { A: bad } }
      ]) {
        const failed = Result.flip(text(more))
        assert.strictEqual(Result.getOrThrow(failed)._tag, "ServiceDefinitionInvalid")
        assert.include(Result.getOrThrow(failed).message, "Fix:")
      }
    }
  })

  it("has no path whose ends systemd would drop", () => {
    for (const bad of [" /a", "/a ", "/a\\"]) {
      assert.isTrue(Result.isFailure(text({ workingDirectory: bad })))
      assert.isTrue(Result.isFailure(text({ environmentFile: bad })))
    }
  })

  it("waits longer from try to try where systemd can, and hardens what runs nobody's commands", () => {
    assert.include(Result.getOrThrow(text({}, 254)), "RestartMaxDelaySec=")
    assert.notInclude(Result.getOrThrow(text({}, 252)), "RestartMaxDelaySec=")
    assert.notInclude(Result.getOrThrow(text({})), "RestartMaxDelaySec=")
    assert.include(Result.getOrThrow(text({})), "NoNewPrivileges=yes")
    assert.notInclude(Result.getOrThrow(text({ name: { kind: "node", profile: undefined } })), "NoNewPrivileges")
  })
})

describe("an agent of launchd", () => {
  const python = spawnSync("python3", ["-c", "import plistlib"]).status === 0

  it("is read back as it was, and by a parser of property lists", () => {
    const command = ["/opt/n o/node", ...hostile] as const
    const environment = Object.fromEntries(hostile.map((value, at) => [`V${at}`, value]))
    const given = definition({ command, environment })
    const list = Result.getOrThrow(Plist.render(given))
    assert.deepStrictEqual(Plist.commandOf(list), [...command])
    assert.deepStrictEqual(Plist.environmentOf(list), environment)
    if (!python) return
    const read = spawnSync(
      "python3",
      ["-c", "import plistlib,sys,json; print(json.dumps(plistlib.loads(sys.stdin.buffer.read())))"],
      { input: list, encoding: "utf8" }
    )
    assert.strictEqual(read.status, 0, read.stderr)
    assert.deepStrictEqual(JSON.parse(read.stdout), {
      Label: "ai.openclaw.gateway",
      ProgramArguments: [
        command[0],
        "--env-file-if-exists=/home/ada/.openclaw/gateway-service.env",
        ...command.slice(1)
      ],
      WorkingDirectory: "/home/ada",
      EnvironmentVariables: environment,
      RunAtLoad: true,
      KeepAlive: true,
      ThrottleInterval: 10,
      ExitTimeOut: 30,
      Umask: 63,
      StandardOutPath: "/home/ada/.openclaw/logs/gateway-service.log",
      StandardErrorPath: "/home/ada/.openclaw/logs/gateway-service.log"
    })
  })

  it("holds nothing that XML has no way to write", () => {
    for (const bad of ["a\nb", "a\0b", "\u0008", "\ud800", "\uffff"]) {
      const failed = Result.flip(Plist.render(definition({ command: ["/node", bad] })))
      assert.strictEqual(Result.getOrThrow(failed)._tag, "ServiceDefinitionInvalid")
    }
  })
})

describe("the file of variables", () => {
  it("is read back as it was", () => {
    const given = { A: "a b", B: "it's", C: '"q"', D: "\\n", E: "$HOME", F: "%h", G: "#no comment", H: "é🦞", I: "" }
    assert.deepStrictEqual(EnvironmentFile.parse(Result.getOrThrow(EnvironmentFile.render(given))), given)
  })

  it.prop("whatever stands in it, or it is refused without showing the value", [Word], ([value]) => {
    const rendered = EnvironmentFile.render({ A: value })
    if (Result.isSuccess(rendered)) assert.deepStrictEqual(EnvironmentFile.parse(rendered.success), { A: value })
    else assert.include(rendered.failure.message, "A cannot be kept")
  })

  it("refuses what one of its readers would change", () => {
    for (const value of ["a\nb", `'"`, "'$HOME", "'\\", "'`", "\ud800"]) {
      const failed = Result.getOrThrow(Result.flip(EnvironmentFile.render({ SECRET: value })))
      assert.notInclude(failed.message, value)
    }
  })
})

describe("who has a port", () => {
  it("is read from the kernel's table", () => {
    const table = [
      "  sl  local_address rem_address   st tx_queue rx_queue tr tm->when retrnsmt   uid  timeout inode",
      "   0: 0100007F:4965 00000000:0000 0A 00000000:00000000 00:00000000 00000000  1000        0 4711 1 0 100 0 0 10 0",
      "   1: 0100007F:4965 0100007F:1234 01 00000000:00000000 00:00000000 00000000  1000        0 4712 1 0 100 0 0 10 0",
      "   2: 0100007F:0016 00000000:0000 0A 00000000:00000000 00:00000000 00000000     0        0 4713 1 0 100 0 0 10 0"
    ].join("\n")
    assert.deepStrictEqual(inodesIn(table, 18_789), ["4711"])
    assert.deepStrictEqual(inodesIn(table, 1), [])
  })

  it("or from what lsof prints", () => {
    assert.deepStrictEqual(holdersIn("p12\ncnode\nf20\np13\ncssh\n"), [
      { pid: 12, command: "node" },
      { pid: 13, command: "ssh" }
    ])
    assert.deepStrictEqual(holdersIn(""), [])
  })
})
