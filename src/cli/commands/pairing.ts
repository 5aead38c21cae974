/**
 * `openclaw pairing`: people who wrote to the bot and wait to be let in.
 */
import * as Argument from "effect/cli/Argument"
import * as Command from "effect/cli/Command"
import * as Option from "effect/Option"
import { lazily } from "../lazily.ts"

const list = Command.make(
  "list",
  {
    channel: Argument.String("channel").pipe(
      Argument.withDescription("Only this channel, such as telegram"),
      Argument.optional,
      Argument.map(Option.getOrUndefined)
    )
  },
  lazily(() => import("./pairing/list.ts"))
).pipe(Command.withDescription("Who waits, with the code that they were shown"))

const approve = Command.make(
  "approve",
  {
    channel: Argument.String("channel").pipe(Argument.withDescription("The channel, such as telegram")),
    code: Argument.String("code").pipe(Argument.withDescription("The code that the bot showed them"))
  },
  lazily(() => import("./pairing/approve.ts"))
).pipe(
  Command.withDescription("Let a person write to the bot"),
  Command.withExamples([{ command: "openclaw pairing approve telegram ABCD2345", description: "By their code" }])
)

export const pairing = Command.make("pairing").pipe(
  Command.withDescription("People who wrote to the bot and wait to be let in; works whether or not a Gateway runs"),
  Command.withSubcommands([list, approve])
)
