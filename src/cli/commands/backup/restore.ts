import * as Fs from "node:fs"
import * as Effect from "effect/Effect"
import * as Prompt from "effect/cli/Prompt"
import * as Restore from "../../../layers/backup/restore.ts"
import { Environment } from "../../Environment.ts"
import { CommandFailed } from "../../errors.ts"
import { plain, print } from "../../output.ts"
import { waiting } from "../../progress.ts"
import * as State from "../../state.ts"
import { absolute, summary } from "./shared.ts"

const agreed = Effect.fnUntraced(function* (root: string, yes: boolean) {
  if (yes || !Fs.existsSync(root)) return true
  const { interactive } = yield* Environment
  if (!interactive) {
    return yield* new CommandFailed({
      message: `this replaces what is in ${root} (which is kept aside), and there is nobody here to ask.\nFix: pass --yes.`
    })
  }
  return yield* Prompt.run(
    Prompt.Confirm({ message: `Replace what is in ${plain(root)}? It is kept aside.`, initial: false })
  )
})

const opened = ({ settled }: Restore.Restored): ReadonlyArray<string> => {
  if (settled === undefined) return ["What was open when it was made is taken up again at the next start."]
  const { deliveries, messages, turns } = settled
  if (deliveries + messages + turns === 0) return []
  return [
    `The Gateway went on after this backup was made, so what was open in it is not repeated but set aside: ${turns} running or queued, ${messages} not looked at, ${deliveries} replies on their way.`,
    "`openclaw channels dead-letters list` shows them once the Gateway runs, and `retry` answers one after all."
  ]
}

export const run = Effect.fn("cli.backup.restore")(function* (flags: {
  readonly archive: string
  readonly yes: boolean
  readonly resume: boolean
}) {
  const { configFile, root } = yield* State.plan
  const archive = yield* absolute(flags.archive)
  if (!(yield* agreed(root, flags.yes)))
    return yield* new CommandFailed({
      message: "nothing was restored.\nFix: answer the question with y, or pass --yes, to replace what is there."
    })
  const restored = yield* Restore.restore({ archive, configFile, resume: flags.resume }).pipe(
    Effect.provide(State.stateDir),
    waiting("Restoring the backup")
  )
  const { aside, leftBehind, manifest, settled } = restored
  const told = { stateDir: root, aside: aside ?? null, leftBehind, setAside: settled ?? null }
  yield* print({ ...summary(archive, manifest), ...told }, () =>
    [
      `Restored the backup of ${plain(manifest.createdAt)} to ${plain(root)}.`,
      ...(aside === undefined ? [] : [`What was there before is in ${plain(aside)}; delete it when all is well.`]),
      ...(leftBehind.length === 0
        ? []
        : [
            `An earlier restore was cut off. What it left half-way (more of what was there, or a part of the backup) is in ${leftBehind.map(plain).join(" and ")}.`
          ]),
      ...opened(restored),
      "Messages that were received and answered after the backup are not in it, and the channel does not send them again."
    ].join("\n")
  )
})
