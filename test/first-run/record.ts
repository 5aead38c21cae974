/**
 * Onboarding as somebody sees it, in tmux, from an empty home to the first reply: the Bot API server and the model provider
 * of `openclaw/testing` stand in for the real ones. `node test/first-run/record.ts <file>` writes what the screens showed.
 */
import { mkdtempSync, rmSync, writeFileSync } from "node:fs"
import { tmpdir } from "node:os"
import { join } from "node:path"
import { fileURLToPath } from "node:url"
import * as NodeRuntime from "@effect/platform-node/NodeRuntime"
import * as NodeServices from "@effect/platform-node/NodeServices"
import * as Config from "effect/Config"
import * as Console from "effect/Console"
import * as Effect from "effect/Effect"
import * as Schedule from "effect/Schedule"
import * as Schema from "effect/Schema"
import * as BotApi from "../../src/testing/BotApi.ts"
import * as ProviderServer from "../../src/testing/ProviderServer.ts"
import * as Command from "../interop/Command.ts"

const binary = fileURLToPath(new URL("../../bin/openclaw.js", import.meta.url))

class NotSeen extends Schema.TaggedError<NotSeen>()("NotSeen", { wanted: Schema.String, screen: Schema.String }) {
  override get message() {
    return `"${this.wanted}" was not seen on:\n${this.screen}`
  }
}

const record = Effect.gen(function* () {
  const bots = yield* BotApi.BotApi
  const provider = yield* ProviderServer.ProviderServer
  const home = yield* Effect.acquireRelease(
    Effect.sync(() => mkdtempSync(join(tmpdir(), "openclaw-first-run-"))),
    (folder) => Effect.sync(() => rmSync(folder, { recursive: true, force: true }))
  )
  const env = {
    HOME: home,
    PATH: yield* Effect.orDie(Config.String("PATH")),
    TERM: "xterm-256color",
    NO_COLOR: "1",
    TMUX_TMPDIR: home
  }
  const tmux = (...args: ReadonlyArray<string>) =>
    Command.run({ program: "tmux", args: ["-L", "first-run", "-f", "/dev/null", ...args], env })
  const shell = [
    "env",
    ...Object.entries(env).map(([name, value]) => `${name}=${value}`),
    process.execPath,
    binary,
    "onboard",
    `--telegram-api-root=${bots.url}`
  ]
  yield* Effect.acquireRelease(
    tmux("new-session", "-d", "-s", "s", "-x", "110", "-y", "70", `${shell.join(" ")}; echo "exit code $?"; sleep 600`),
    () => Effect.ignore(tmux("kill-server"))
  )
  const screen = Effect.map(tmux("capture-pane", "-p", "-S", "-300", "-t", "s"), ({ stdout }) => stdout.trimEnd())
  const sees = (wanted: string) =>
    Effect.flatMap(screen, (text) =>
      text.includes(wanted) ? Effect.void : Effect.fail(new NotSeen({ wanted, screen: text }))
    ).pipe(Effect.retry({ schedule: Schedule.spaced("200 millis"), times: 300 }))
  const key = (...keys: ReadonlyArray<string>) => tmux("send-keys", "-t", "s", ...keys)
  const type = (text: string) => Effect.andThen(tmux("send-keys", "-t", "s", "-l", text), key("Enter"))

  // The provider is asked for its list of models first, which it does not have.
  yield* provider.push(
    { text: [] },
    { text: ["ready"] },
    { text: ["Hello! I watch your machines, ", "and I answer here and in Telegram."] }
  )
  // The model: a wrong turn first, and back.
  yield* sees("Which model shall answer?")
  yield* key("Down", "Down", "Enter")
  yield* sees("Key (shown as stars")
  yield* key("Escape")
  yield* Effect.sleep("500 millis")
  yield* key("Down", "Down", "Down", "Down", "Enter")
  yield* sees("Address of the server")
  yield* key("C-u")
  yield* type(`${provider.url}/v1`)
  yield* sees("What does it speak?")
  yield* key("Enter")
  yield* sees("The key of custom")
  yield* key("Down", "Enter")
  yield* sees("Key (shown as stars")
  yield* type("a-key-that-nobody-sees")
  yield* sees("Name of the model")
  yield* type("house-model")
  // Telegram: a wrong token, then the right one.
  yield* sees("2 of 4: Telegram")
  yield* key("Enter")
  yield* sees("Bot token (shown as stars)")
  yield* type("123456789:AAwrong-token_wrong-token_wrong-to")
  yield* sees("does not know this bot token")
  yield* type(bots.token)
  yield* sees("Who may write to it?")
  yield* key("Enter")
  // Access.
  yield* sees("Who reaches the Gateway?")
  yield* key("Enter")
  yield* sees("Port")
  yield* key("C-u")
  yield* type("28911")
  yield* sees("How does it know its friends?")
  yield* key("Enter")
  yield* sees("Store this in")
  yield* key("Enter")
  yield* sees("How shall the Gateway run?")
  yield* key(...((yield* screen).includes("From now on") ? ["Down"] : []), "Enter")
  yield* sees("Whoever writes appears here")
  yield* bots.sendText({ text: "hello?", from: { id: 4711, firstName: "Ada", username: "ada" } })
  yield* sees("write to the agent?")
  yield* key("Enter")
  yield* sees("Say something to the agent")
  yield* key("Enter")
  yield* sees("The Gateway runs in this terminal")
  yield* provider.push({ text: ["Yes, I am here."] })
  const asked = yield* bots.sendText({ text: "Are you there?", from: { id: 4711, firstName: "Ada", username: "ada" } })
  const reply = yield* bots.awaitReply({ chatId: asked.chatId, after: asked.messageId })
  yield* key("C-c")
  yield* sees("exit code")
  const shown = `${yield* screen}\n\n(In Telegram, Ada wrote "Are you there?" and read: ${JSON.stringify(reply.text)})\n`
  const [, , into] = process.argv
  if (into === undefined) return yield* Console.log(shown)
  writeFileSync(into, shown)
}).pipe(Effect.scoped, Effect.provide([BotApi.layer(), ProviderServer.layer, NodeServices.layer]))

NodeRuntime.runMain(record)
