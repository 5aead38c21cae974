import { assert, describe, it } from "@effect/vitest"
import * as Result from "effect/Result"
import * as SshTarget from "../../src/domain/SshTarget.ts"
import { sshArgs } from "../../src/client/tunnel/args.ts"
import { diagnose, tail, TAIL_CHARACTERS } from "../../src/client/tunnel/diagnosis.ts"
import { isTerminal, type TunnelSpec } from "../../src/services/TunnelManager.ts"

const target = Result.getOrThrow(SshTarget.parse("me@box:2222", "--ssh"))
const spec: TunnelSpec = { target, localPort: 18_789, remotePort: 29_443, hostKeyPolicy: "strict" }

describe("ssh's arguments", () => {
  it("hold the forward, no prompt, no shared connection, and the host behind the options' end", () => {
    const args = sshArgs(spec, 4)
    assert.deepStrictEqual(args.slice(-8), [
      "-l",
      "me",
      "-p",
      "2222",
      "-L",
      "127.0.0.1:18789:127.0.0.1:29443",
      "--",
      "box"
    ])
    for (const option of [
      "BatchMode=yes",
      "ExitOnForwardFailure=yes",
      "ControlMaster=no",
      "ConnectTimeout=4",
      "StrictHostKeyChecking=yes"
    ]) {
      assert.strictEqual(args[args.indexOf(option) - 1], "-o")
    }
    assert.notInclude(args, "-i")
  })

  it("leave host keys to ssh when told so, and use the one key that was named", () => {
    const args = sshArgs({ ...spec, hostKeyPolicy: "openssh", identityFile: "/home/me/.ssh/key" }, 4)
    assert.isFalse(args.some((arg) => arg.startsWith("StrictHostKeyChecking")))
    assert.strictEqual(args[args.indexOf("/home/me/.ssh/key") - 1], "-i")
    assert.include(args, "IdentitiesOnly=yes")
  })
})

describe("what ssh's last words mean", () => {
  it.each([
    [
      "@@@\n@    WARNING: REMOTE HOST IDENTIFICATION HAS CHANGED!     @\nHost key verification failed.",
      "SshHostKeyRejected"
    ],
    ["No ED25519 host key is known for [box]:2222 and you have requested strict checking.", "SshHostKeyRejected"],
    ["me@box: Permission denied (publickey,password).", "SshAuthFailed"],
    ["Received disconnect from 192.0.2.1 port 22:2: Too many authentication failures", "SshAuthFailed"],
    ["bind [127.0.0.1]:18789: Permission denied\nCould not request local forwarding.", "PortTaken"],
    ["hostname contains invalid characters", "SshTargetInvalid"],
    ["command-line: line 0: Bad configuration option: foo", "SshUnusable"],
    ["Bad owner or permissions on /home/me/.ssh/config", "SshUnusable"]
  ])("%j is for good", (stderr, tag) => {
    const error = diagnose(spec, stderr)
    assert.strictEqual(error._tag, tag)
    assert.isTrue(isTerminal(error))
    assert.include(error.message, "Fix: ")
  })

  it.each([
    ["bind [127.0.0.1]:18789: Address already in use\nCould not request local forwarding.", "PortTaken", undefined],
    ["ssh: Could not resolve hostname box: Temporary failure in name resolution", "SshUnreachable", "dns"],
    ["ssh: connect to host box port 22: Connection refused", "SshUnreachable", "refused"],
    ["ssh: connect to host box port 22: Connection timed out", "SshUnreachable", "timeout"],
    ["Timeout, server box not responding.", "SshUnreachable", "timeout"],
    ["ssh: connect to host box port 22: Network is unreachable", "SshUnreachable", "network"],
    ["kex_exchange_identification: Connection closed by remote host", "SshUnreachable", "closed"],
    ["", "SshUnreachable", "closed"]
  ])("%j may heal", (stderr, tag, reason) => {
    const error = diagnose(spec, stderr)
    assert.strictEqual(error._tag, tag)
    assert.isFalse(isTerminal(error))
    if (error._tag === "SshUnreachable") assert.strictEqual(error.reason, reason)
  })

  it.each([
    ["bind [127.0.0.1]:18789: Address already in use\nCould not request local forwarding.", 18_789, false],
    [
      "bind [127.0.0.1]:5432: Address already in use\nchannel_setup_fwd_listener_tcpip: cannot listen to port: 5432\nCould not request local forwarding.",
      5432,
      true
    ],
    ["bind [127.0.0.1]:80: Permission denied\nCould not request local forwarding.", 80, true],
    [
      "debug1: Local forwarding listening on 127.0.0.1 port 18789.\nbind [127.0.0.1]:18789: Address already in use\nCould not request local forwarding.",
      18_789,
      false
    ],
    [
      "debug1: Local forwarding listening on 127.0.0.1 port 18789.\r\ndebug1: channel 0: new port-listener [port listener] (inactive timeout: 0)\r\ndebug1: Local forwarding listening on 127.0.0.1 port 18789.\r\nbind [127.0.0.1]:18789: Address already in use\nCould not request local forwarding.",
      18_789,
      true
    ]
  ])("%j names the port, and whether ssh's own configuration asks for it", (stderr, port, configured) => {
    const error = diagnose(spec, stderr)
    assert.deepInclude(error, { _tag: "PortTaken", port, configured })
    assert.strictEqual(error.message.includes("LocalForward"), configured)
    assert.strictEqual(error.message.includes("Fix: "), !configured)
  })

  it("keeps the end of what was written and shows it as one harmless line", () => {
    const banner = "\u001b[2Jwelcome\n".repeat(100_000)
    const kept = tail(tail("", banner), "me@box: Permission denied (publickey).\r\n")
    assert.strictEqual(kept.length, TAIL_CHARACTERS)
    const error = diagnose(spec, kept)
    assert.strictEqual(error._tag, "SshAuthFailed")
    assert.notInclude(error.message, "\u001b")
  })
})
