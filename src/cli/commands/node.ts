/**
 * `openclaw node`: this machine as a node of a Gateway.
 */
import * as Command from "effect/cli/Command"
import * as Flag from "effect/cli/Flag"
import * as flags from "../flags.ts"
import { lazily } from "../lazily.ts"

const MAX_NAME = 120

const isName = (text: string): boolean =>
  text.trim() !== "" && [...text].length <= MAX_NAME && !/[\p{Cc}\p{Cs}\p{Zl}\p{Zp}\p{Bidi_Control}]/u.test(text)

const run = Command.make(
  "run",
  {
    host: flags.text("host", "The Gateway's host (default: the one that the configuration names, else this machine)"),
    pair: flags.text(
      "pair",
      "A setup code (`openclaw qr --node` on the Gateway's machine): where it is, and the way in"
    ),
    tls: flags.on("tls", "Use TLS with --host (wss://)"),
    port: flags.whole("port", "The Gateway's port (default 18789)", 1, 65_535),
    displayName: flags.text("display-name", "What this node is called (default: the host name)").pipe(
      Flag.filter(
        (name) => name === undefined || isName(name),
        () => `1 to ${MAX_NAME} characters, none of them a control character`
      )
    )
  },
  lazily(() => import("./node/run.ts"))
).pipe(
  Command.withDescription("Offer this machine's commands to a Gateway, until it is stopped"),
  Command.withExamples([
    {
      command: "OPENCLAW_GATEWAY_TOKEN=… openclaw node run --host 192.168.1.10",
      description: "As a node of a Gateway in the same network"
    }
  ])
)

export const node = Command.make("node").pipe(
  Command.withDescription("This machine as a node of a Gateway"),
  Command.withSubcommands([run])
)
