/**
 * `openclaw qr`: a code that lets a phone or a node in.
 */
import * as Command from "effect/cli/Command"
import * as flags from "../flags.ts"
import { lazily } from "../lazily.ts"

export const qr = Command.make(
  "qr",
  {
    publicUrl: flags.text("public-url", "The address under which the device reaches the Gateway (ws:// or wss://)"),
    remote: flags.on("remote", "Use gateway.remote.url as that address"),
    limited: flags.on("limited", "Hand over operator access without operator.admin"),
    node: flags.on("node", "Let in a node alone, without operator access: for `openclaw node run --pair`"),
    setupCodeOnly: flags.on("setup-code-only", "Print only the code"),
    noAscii: flags.on("no-ascii", "Draw no QR code"),
    timeout: flags.timeout()
  },
  lazily(() => import("./qr/run.ts"))
).pipe(
  Command.withDescription("Make a code that lets one device in within ten minutes, and draw it"),
  Command.withExamples([
    {
      command: "openclaw qr --public-url wss://gateway.example.com --node",
      description: "A code for a computer that reaches the Gateway there"
    }
  ])
)
