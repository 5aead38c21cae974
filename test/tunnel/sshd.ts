/**
 * A real `sshd` on loopback with keys and configuration of its own, and an `ssh` that knows of no others.
 */
import { type ChildProcess, spawn, spawnSync } from "node:child_process"
import * as Fs from "node:fs"
import * as Net from "node:net"
import * as Os from "node:os"
import * as Path from "node:path"
import * as Effect from "effect/Effect"

const sbin = ["/usr/sbin/sshd", "/usr/local/sbin/sshd", "/usr/bin/sshd"]

/** The machine's sshd; undefined where there is none. */
export const findSync = () => sbin.find((file) => Fs.existsSync(file))
export const find = Effect.sync(findSync)

/** A port of loopback that nobody has at this moment. */
export const freePort = Effect.callback<number>((resume) => {
  const server = Net.createServer().listen(0, "127.0.0.1", () => {
    const { port } = server.address() as Net.AddressInfo
    server.close(() => resume(Effect.succeed(port)))
  })
})

const listens = (port: number, address: string) =>
  Effect.callback<boolean>((resume) => {
    const socket = Net.connect(port, address)
    socket.once("data", () => (socket.destroy(), resume(Effect.succeed(true))))
    socket.once("error", () => resume(Effect.succeed(false)))
    return Effect.sync(() => socket.destroy())
  })

const keygen = (file: string) => {
  Fs.rmSync(file, { force: true })
  spawnSync("ssh-keygen", ["-q", "-t", "ed25519", "-N", "", "-f", file])
  return Fs.readFileSync(`${file}.pub`, "utf8").split(" ").slice(0, 2).join(" ")
}

/** A session is in a group of its own. */
const descendants = (pid: number): ReadonlyArray<number> => {
  const file = `/proc/${pid}/task/${pid}/children`
  const children = Fs.existsSync(file) ? Fs.readFileSync(file, "utf8").split(" ").map(Number).filter(Boolean) : []
  return children.flatMap((child) => [...descendants(child), child])
}

export interface Place {
  /** Where the server listens. */
  readonly address: string
  /** What stands before the server's own command line. */
  readonly prefix: ReadonlyArray<string>
}

/** The folder, the server and its switches. `box` is the host's alias for `program`. */
export const makeIn = Effect.fnUntraced(function* ({ address, prefix }: Place) {
  const dir = yield* Effect.acquireRelease(
    Effect.sync(() => Fs.mkdtempSync(Path.join(Os.tmpdir(), "openclaw-sshd-"))),
    (folder) => Effect.sync(() => Fs.rmSync(folder, { recursive: true, force: true }))
  )
  const file = (name: string) => Path.join(dir, name)
  const port = yield* freePort
  // Where sshd runs as root it wants this folder, which its service would have made.
  if (process.getuid?.() === 0) Fs.mkdirSync("/run/sshd", { recursive: true })
  const hostKey = keygen(file("host"))
  const userKey = keygen(file("user"))
  Fs.writeFileSync(file("authorized"), `${userKey}\n`)
  Fs.writeFileSync(file("known"), `[${address}]:${port} ${hostKey}\n`)
  Fs.writeFileSync(
    file("sshd_config"),
    [
      `ListenAddress ${address}:${port}`,
      `HostKey ${file("host")}`,
      `AuthorizedKeysFile ${file("authorized")}`,
      `PidFile none`,
      "PasswordAuthentication no",
      "KbdInteractiveAuthentication no",
      "PermitRootLogin yes",
      "StrictModes no",
      "UsePAM no",
      `Banner ${file("banner")}`
    ].join("\n")
  )
  Fs.writeFileSync(
    file("ssh_config"),
    [
      "Host box",
      `HostName ${address}`,
      `Port ${port}`,
      `User ${Os.userInfo().username}`,
      `IdentityFile ${file("user")}`,
      "IdentitiesOnly yes",
      "IdentityAgent none",
      `UserKnownHostsFile ${file("known")}`,
      "GlobalKnownHostsFile /dev/null"
    ].join("\n")
  )
  const program = file("ssh")
  Fs.writeFileSync(
    program,
    `#!/bin/sh\necho $$ > ${file("pid")}\necho $$ >> ${file("started")}\nexec ssh -F ${file("ssh_config")} "$@"\n`,
    {
      mode: 0o700
    }
  )

  let server: ChildProcess | undefined
  const stop = Effect.callback<void>((resume) => {
    const running = server
    server = undefined
    if (running?.pid === undefined || running.exitCode !== null) return resume(Effect.void)
    running.once("exit", () => resume(Effect.void))
    // Its group: the sessions end with it.
    process.kill(-running.pid, "SIGKILL")
  })
  const start = Effect.gen(function* () {
    const [program = "sshd", ...args] = [...prefix, findSync() ?? "sshd", "-D", "-e", "-f", file("sshd_config")]
    server = spawn(program, args, { stdio: "ignore", detached: true })
    yield* Effect.repeat(listens(port, address), { until: (up) => up })
  })
  const endSessions = Effect.sync(() => {
    const sessions = server?.pid === undefined ? [] : descendants(server.pid)
    for (const pid of sessions) if (Fs.existsSync(`/proc/${pid}`)) process.kill(pid, "SIGKILL")
  })
  const crash = Effect.andThen(endSessions, stop)
  yield* Effect.addFinalizer(() => crash)

  return {
    program,
    /** The file with the process ids of all ssh that were started. */
    started: file("started"),
    port,
    start,
    /** Every connection ends, and new ones are taken. */
    endSessions,
    /** Its sessions go on. */
    stop,
    /** Its sessions end with it. */
    crash,
    /** The ssh that was started last. */
    signal: (name: NodeJS.Signals) =>
      Effect.sync(() => process.kill(Number(Fs.readFileSync(file("pid"), "utf8")), name)),
    pid: Effect.sync(() => Number(Fs.readFileSync(file("pid"), "utf8"))),
    runs: (pid: number) =>
      Fs.existsSync(`/proc/${pid}/stat`) && !/\) Z /.test(Fs.readFileSync(`/proc/${pid}/stat`, "utf8")),
    banner: (text: string) => Effect.sync(() => Fs.writeFileSync(file("banner"), text)),
    forgetHost: Effect.sync(() => Fs.writeFileSync(file("known"), "")),
    otherHostKey: Effect.sync(() => void keygen(file("host"))),
    refuseKey: Effect.sync(() => Fs.writeFileSync(file("authorized"), "")),
    /** Settings of the client, from its next start on. */
    configureClient: (lines: ReadonlyArray<string>) =>
      Effect.sync(() => Fs.appendFileSync(file("ssh_config"), `\n${lines.join("\n")}`)),
    /** Settings of the server that go before its usual ones, from its next start on. */
    configure: (lines: ReadonlyArray<string>) =>
      Effect.sync(() => {
        const usual = Fs.readFileSync(file("sshd_config"), "utf8")
        Fs.writeFileSync(file("sshd_config"), [...lines, usual].join("\n"))
      })
  }
})

/** On loopback. */
export const make = makeIn({ address: "127.0.0.1", prefix: [] })
