/**
 * `openclaw onboard`: by questions on a terminal, or by flags alone.
 */
import * as NodeHttpClient from "@effect/platform-node/NodeHttpClient"
import * as Console from "effect/Console"
import * as Effect from "effect/Effect"
import * as Option from "effect/Option"
import { programOf } from "../../../domain/Profile.ts"
import { rights } from "../../../layers/security/look.ts"
import { configuration } from "../../configuration.ts"
import { Environment } from "../../Environment.ts"
import { CommandFailed } from "../../errors.ts"
import { EXIT } from "../../exitCodes.ts"
import { Json } from "../../globals.ts"
import { owner } from "../../gateway.ts"
import { fields, plain, print } from "../../output.ts"
import * as State from "../../state.ts"
import * as Access from "./access.ts"
import { makeReader, type OnboardFlags, type Reader } from "./flags.ts"
import * as Model from "./model.ts"
import { store } from "./store.ts"
import * as Telegram from "./telegram.ts"

/** Whether onboarding can begin at all. */
const check = Effect.fnUntraced(function* (flags: OnboardFlags, program: string) {
  const { interactive } = yield* Environment
  const file = yield* configuration
  if (!flags.nonInteractive && (!interactive || (yield* Json))) {
    return yield* new CommandFailed({
      message: `onboarding asks questions, and here is no terminal for them.\nFix: pass --non-interactive with flags that answer them; \`${program} onboard --help\` lists them.`
    })
  }
  if (flags.installDaemon && flags.skipDaemon) {
    return yield* new CommandFailed({
      message: "--install-daemon and --skip-daemon exclude each other.\nFix: give one of them."
    })
  }
  if (!file.valid) {
    return yield* new CommandFailed({
      exitCode: EXIT.misconfigured,
      message: `${file.problem ?? `${file.path} cannot be used.`}\nOnboarding changes nothing in a file that it cannot read.`
    })
  }
  const { root } = yield* State.plan
  const found = yield* Effect.orElseSucceed(rights(root), () => undefined)
  if (found !== undefined && (found.kind !== "directory" || found.foreign === true)) {
    return yield* new CommandFailed({
      exitCode: EXIT.misconfigured,
      message: `${root} is no folder of your own (a link, a file, or another user's), and no Gateway would start there.\nFix: set OPENCLAW_STATE_DIR to a folder of your own; \`${program} doctor\` says more.`
    })
  }
  if (file.config.gateway?.mode === "remote") {
    return yield* new CommandFailed({
      exitCode: EXIT.misconfigured,
      message: `${file.path} says gateway.mode "remote": this machine uses a Gateway elsewhere, and onboarding sets one up here.\nFix: run it on the Gateway's machine; or \`${program} config set gateway.mode local\` first.`
    })
  }
  return file
})

/** Hello of the Gateway that runs by now; `undefined` where none does. */
const health = Effect.fnUntraced(function* (flags: OnboardFlags) {
  if (!flags.installDaemon && (flags.skipHealth || Option.isNone(yield* owner))) return undefined
  const Start = yield* Effect.promise(() => import("./start.ts"))
  if (flags.installDaemon) yield* Start.asService()
  return flags.skipHealth ? undefined : yield* Start.untilHello
})

/** Nothing is stored unless all of it works; everything is tried first. */
const byFlags = Effect.fn("cli.onboard.byFlags")(function* (flags: OnboardFlags, reader: Reader, program: string) {
  const { config: present, path } = yield* configuration
  const model = yield* Model.byFlags(flags, reader, present)
  const telegram = yield* Telegram.byFlags(flags, reader, present)
  const access = yield* Access.byFlags(flags, reader, present)
  const ran = Option.isSome(yield* owner)
  const { changed, restart } = yield* store([model, telegram, access])
  const answered = yield* Effect.tapError(health(flags), () =>
    Console.error(`What was chosen is stored in ${plain(path)}; what comes after that did not work:`)
  )
  const runs = answered !== undefined
  const note = ran ? restart : undefined
  yield* print(
    {
      ok: true,
      configPath: path,
      changedPaths: changed,
      needsRestart: note !== undefined,
      model: model.report,
      telegram: telegram.report,
      gateway: access.report,
      service: { installed: flags.installDaemon },
      health: runs ? { ok: true, latencyMs: answered.latencyMs, version: answered.version } : null
    },
    () =>
      fields([
        ["Model", model.shown ?? "as it is"],
        ["Telegram", telegram.shown ?? "as it is"],
        ["Access", access.shown],
        ["Configuration", changed.length === 0 ? `${path} (nothing to change)` : path],
        [
          "Gateway",
          `${runs ? `says hello (${answered.latencyMs} ms)` : "not asked"}${note === undefined ? "" : `. ${note}`}`
        ],
        ["Next", runs ? `${program} agent --message "Hello!"` : `${program} gateway run, or ${program} gateway install`]
      ])
  )
})

export const run = Effect.fn("cli.onboard")(function* (flags: OnboardFlags) {
  const program = programOf((yield* State.plan).profile)
  yield* check(flags, program)
  const reader = yield* makeReader
  if (flags.nonInteractive) return yield* byFlags(flags, reader, plain(program))
  const { run: interactive } = yield* Effect.promise(() => import("./interactive.ts"))
  return yield* interactive(flags, reader, plain(program))
}, Effect.provide(NodeHttpClient.layerNodeHttp))
