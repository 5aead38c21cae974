/**
 * A real user manager of systemd, with a home of its own: it needs neither a login nor a machine that systemd has booted. It
 * needs root, and a kernel that mounts cgroup2 in a namespace.
 */
import { spawn, spawnSync } from "node:child_process"
import { existsSync, mkdirSync, mkdtempSync } from "node:fs"
import { tmpdir } from "node:os"
import { join } from "node:path"
import { getuid } from "node:process"
import * as Config from "effect/Config"
import * as Effect from "effect/Effect"
import * as Schedule from "effect/Schedule"
import { run } from "../cli/kit.ts"
import * as Command from "../interop/Command.ts"

const SYSTEMD = "/lib/systemd/systemd"
const MOUNT = "mount -t cgroup2 none /sys/fs/cgroup"

/** Why it cannot be had here; `undefined` where it can. */
export const lacking: string | undefined = (() => {
  if (getuid?.() !== 0) return "a user manager of its own needs root"
  if (!existsSync(SYSTEMD)) return "it needs systemd (apt-get install systemd)"
  const tried = spawnSync("unshare", ["--mount", "sh", "-c", MOUNT])
  return tried.status === 0 ? undefined : "it needs a mount namespace, and cgroup2 in it"
})()

/**
 * systemd runs where a machine says that it is booted with it, and in a group that it may divide. When the test process ends
 * its input, however it does, what is in the group is killed, and group and folder go away.
 */
const SCRIPT = `set -e
group=/sys/fs/cgroup/$(basename "$1")
finish() {
  echo 1 > "$group/cgroup.kill"
  for try in $(seq 200); do
    find "$group" -depth -type d -exec rmdir {} + && break
    sleep 0.05
  done
  rm -rf "$1"
}
trap 'set +e; finish "$1"' EXIT
mount -t tmpfs tmpfs /run
mkdir -p /run/systemd/system
${MOUNT}
mkdir -p "$group/main"
sh -c 'echo $$ > "$1/main/cgroup.procs"; exec "$2" --user --log-target=null' sh "$group" ${SYSTEMD} < /dev/null &
cat > /dev/null`

const main = join(import.meta.dirname, "../../src/main.ts")

/** In a session of its own, which the keys of a terminal do not reach. */
const begin = (folder: string, env: Readonly<Record<string, string>>) =>
  spawn("unshare", ["--mount", "sh", "-c", SCRIPT, "sh", folder], {
    stdio: ["pipe", "ignore", "ignore"],
    env,
    detached: true
  })

const end = (guard: ReturnType<typeof begin>) =>
  Effect.callback<void>((resume) => {
    if (guard.exitCode !== null) return resume(Effect.void)
    guard.once("close", () => resume(Effect.void))
    guard.stdin.end()
  })

/** Ends with the scope, and everything that it started. */
export const userManager = Effect.gen(function* () {
  const folder = mkdtempSync(join(tmpdir(), "openclaw-systemd-"))
  const home = join(folder, "home")
  const runtime = join(folder, "run")
  for (const path of [home, runtime]) mkdirSync(path, { mode: 0o700 })
  const PATH = yield* Effect.orDie(Config.String("PATH"))
  const variables = { PATH, HOME: home, XDG_RUNTIME_DIR: runtime }
  yield* Effect.acquireRelease(
    Effect.sync(() => begin(folder, variables)),
    end
  )
  /** Runs a program as this user. */
  const program = (name: string, ...args: ReadonlyArray<string>) => Command.run({ program: name, args, env: variables })
  const systemctl = (...args: ReadonlyArray<string>) => program("systemctl", "--user", ...args)
  yield* systemctl("show", "--property=SystemState").pipe(
    Effect.repeat({ until: ({ stdout }) => /running|degraded/.test(stdout), schedule: Schedule.spaced("50 millis") }),
    Effect.timeoutOrElse({ duration: "30 seconds", orElse: () => Effect.die("systemd did not start") })
  )
  return {
    home,
    variables,
    program,
    systemctl,
    /** The CLI of this checkout. */
    openclaw: (env: Readonly<Record<string, string>>, ...args: ReadonlyArray<string>) =>
      run({ home, variables: { ...variables, ...env }, entry: main }, ...args)
  }
})
