/**
 * A real user manager of systemd, with a home of its own: it needs neither a login nor a machine that systemd has booted. It
 * needs root, and a kernel that mounts cgroup2 in a namespace.
 */
import { spawn, spawnSync } from "node:child_process"
import { existsSync, mkdirSync, mkdtempSync, rmSync } from "node:fs"
import { tmpdir } from "node:os"
import { basename, join } from "node:path"
import { getuid } from "node:process"
import * as Config from "effect/Config"
import * as Effect from "effect/Effect"
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

/** systemd runs where a machine says that it is booted with it, and in a group that it may divide. */
const start = (group: string) => `set -e
mount -t tmpfs tmpfs /run/systemd
mkdir -p /run/systemd/system
${MOUNT}
mkdir -p /sys/fs/cgroup/${group}/main
echo $$ > /sys/fs/cgroup/${group}/main/cgroup.procs
exec ${SYSTEMD} --user --log-target=null`

/** Ends what may still be in the group, and waits until it is gone. */
const end = (group: string) => `${MOUNT}
cd /sys/fs/cgroup/${group} || exit 0
echo 1 > cgroup.kill
until find . -mindepth 1 -depth -type d -exec rmdir {} + 2>/dev/null; do sleep 0.05; done
cd ..
rmdir ${group}`

const main = join(import.meta.dirname, "../../src/main.ts")

/** Ends with the scope, and everything that it started. */
export const userManager = Effect.gen(function* () {
  const folder = yield* Effect.acquireRelease(
    Effect.sync(() => mkdtempSync(join(tmpdir(), "openclaw-systemd-"))),
    (path) => Effect.sync(() => rmSync(path, { recursive: true, force: true }))
  )
  const home = join(folder, "home")
  const runtime = join(folder, "run")
  for (const path of [home, runtime]) mkdirSync(path, { mode: 0o700 })
  const PATH = yield* Effect.orDie(Config.String("PATH"))
  const variables = { PATH, HOME: home, XDG_RUNTIME_DIR: runtime }
  const group = basename(folder)
  yield* Effect.acquireRelease(
    Effect.sync(() => spawn("unshare", ["--mount", "sh", "-c", start(group)], { stdio: "ignore", env: variables })),
    (child) =>
      Effect.callback<void>((resume) => {
        child.once("close", () => resume(Effect.void))
        child.kill("SIGKILL")
      }).pipe(Effect.andThen(Effect.sync(() => spawnSync("unshare", ["--mount", "sh", "-c", end(group)]))))
  )
  /** Runs a program as this user. */
  const program = (name: string, ...args: ReadonlyArray<string>) => Command.run({ program: name, args, env: variables })
  const systemctl = (...args: ReadonlyArray<string>) => program("systemctl", "--user", ...args)
  while (!/running|degraded/.test((yield* systemctl("show", "--property=SystemState")).stdout)) {
    yield* Effect.sleep("50 millis")
  }
  return {
    home,
    program,
    systemctl,
    /** The CLI of this checkout. */
    openclaw: (env: Readonly<Record<string, string>>, ...args: ReadonlyArray<string>) =>
      run({ home, variables: { ...variables, ...env }, entry: main }, ...args)
  }
})
