/**
 * Runs before all tests: brings the programs that some of them need and npm does not have.
 *
 * Where it may (in CI, as root, with Debian's `apt-get`) it installs them; elsewhere it says which tests are skipped for
 * the lack of which package.
 */
import { existsSync } from "node:fs"
import { getuid } from "node:process"
import * as Config from "effect/Config"
import * as Console from "effect/Console"
import * as Effect from "effect/Effect"
import * as Browser from "./interop/Browser.ts"
import * as Command from "./interop/Command.ts"
import * as Sshd from "./tunnel/sshd.ts"

const ip = Effect.sync(() => ["/usr/sbin/ip", "/sbin/ip", "/usr/bin/ip"].find((file) => existsSync(file)))

const systemd = Effect.sync(() => ["/lib/systemd/systemd"].find((file) => existsSync(file)))

const script = Effect.sync(() => ["/usr/bin/script"].find((file) => existsSync(file)))

const needs = [
  { name: "bsdutils", program: script, tests: "test/first-run/terminal.test.ts" },
  { name: "chromium", program: Browser.find, tests: "test/http/browser.test.ts" },
  { name: "openssh-server", program: Sshd.find, tests: "test/tunnel, test/remote and test/discovery/probe.test.ts" },
  { name: "systemd", program: systemd, tests: "test/service/systemd.test.ts" },
  { name: "iproute2", program: ip, tests: "test/discovery/namespaces.test.ts and test/tunnel/faults/faults.test.ts" }
]

const apt = (...args: ReadonlyArray<string>) =>
  Command.run({ program: "apt-get", args, env: { DEBIAN_FRONTEND: "noninteractive" }, loud: true }).pipe(
    // A machine without it: the program is looked for in any case.
    Effect.catchDefect(() => Effect.void)
  )

const prepare = Effect.gen(function* () {
  const mayInstall = (yield* Config.Boolean("CI").pipe(Config.withDefault(false))) && getuid?.() === 0
  for (const { name, program, tests } of needs) {
    if ((yield* program) === undefined && mayInstall) {
      yield* apt("update")
      yield* apt("install", "--yes", "--no-install-recommends", name)
    }
    if ((yield* program) !== undefined) continue
    yield* Console.error(`skipped: ${tests} needs the package ${name} (apt-get install ${name})`)
  }
})

export default () => Effect.runPromise(prepare)
