import * as Effect from "effect/Effect"
import * as Option from "effect/Option"
import * as Schema from "effect/Schema"
import type { Target } from "../../../client/credentials.ts"
import * as Files from "../../../client/tunnel/sharedFiles.ts"
import { look } from "../../../client/tunnel/sharedLook.ts"
import { atPort, type Endpoint, isEncrypted, isLoopback, portOf } from "../../../domain/Endpoint.ts"
import { openBrowser } from "../../browser.ts"
import { CommandFailed } from "../../errors.ts"
import { explainRemote, openAt, runningTarget } from "../../gateway.ts"
import { Json } from "../../globals.ts"
import { fields, print } from "../../output.ts"
import { waiting } from "../../progress.ts"
import * as State from "../../state.ts"
import { reached } from "../../tunnel.ts"

const Page = Schema.Struct({
  gateway: Schema.optional(
    Schema.Struct({ controlUi: Schema.optional(Schema.Struct({ basePath: Schema.optional(Schema.String) })) })
  )
})
const decodePage = Schema.decodeUnknownOption(Page)

/** The address without its secrets: it has none, and the page asks for them. */
const pageOf = (endpoint: Endpoint, basePath: string): string => {
  const url = new URL(endpoint)
  url.protocol = isEncrypted(endpoint) ? "https:" : "http:"
  const parts = [...url.pathname.split("/"), ...basePath.split("/")].filter((part) => part !== "")
  url.pathname = parts.map((part) => `/${part}`).join("") + "/"
  return url.href
}

/** A browser stays, so its tunnel has to: the one of this command would end with it. */
const standing = Effect.fnUntraced(function* ({ endpoint, ssh }: Target) {
  if (ssh === undefined) return { endpoint, kept: undefined }
  const found = yield* Effect.provide(look(Files.keyOf(ssh)), State.stateDir)
  const status = found?.how === "held" ? found.status : undefined
  if (status?.state._tag !== "Up") {
    return yield* new CommandFailed({
      message: `the Gateway lies behind ssh, and no tunnel to ${ssh.target} is kept and up: the page would lose it when this command ends.\nFix: \`openclaw tunnel up --background\`, then \`openclaw dashboard\` again.`
    })
  }
  return { endpoint: atPort(endpoint, status.state.localPort), kept: { target: ssh.target, pid: status.pid } }
})

/** What the Gateway says of its page; it has to answer, or a browser would show nothing. */
const asked = Effect.fnUntraced(function* (to: Target, timeoutMs: number) {
  const { gate } = yield* reached(to, { timeout: timeoutMs })
  const opened = yield* openAt(to, gate, { scopes: ["operator.read"], timeoutMs })
  const { call, hello } = opened.client
  const { config, status } = yield* Effect.all({ config: call["config.get"]({}), status: call.status({}) }).pipe(
    explainRemote(opened)
  )
  const page = Option.getOrUndefined(decodePage(config.config))?.gateway?.controlUi
  // OpenClaw's own Gateway has its page built in, and no such tree.
  const serves = hello.server.controlUiBuildSource !== undefined || status.supervisor === undefined
  return { basePath: page?.basePath ?? "", serves }
}, Effect.scoped)

const noPage = new CommandFailed({
  message:
    "that Gateway serves no page.\nFix: on its machine, `openclaw config set gateway.controlUi.root <folder of the page's files>`, then restart it."
})

const isPlainFar = (endpoint: Endpoint): boolean => !isEncrypted(endpoint) && !isLoopback(endpoint)

/** Prints where the page is, and opens it. No secret is in the address, in whatever form it is given. */
export const run = Effect.fn("cli.dashboard")(function* (flags: {
  readonly noOpen: boolean
  readonly timeout: number
}) {
  const to = yield* runningTarget
  const { endpoint, kept } = yield* standing(to)
  const { basePath, serves } = yield* asked(to, flags.timeout).pipe(waiting("Waiting for the Gateway"))
  if (!serves) return yield* noPage
  const url = pageOf(endpoint, basePath)
  const quiet = flags.noOpen || (yield* Json)
  const opened = quiet ? false : yield* openBrowser(url)
  const answer = { ok: true, url, httpUrl: url, wsUrl: endpoint, port: portOf(endpoint), tokenIncluded: false }
  yield* print(kept === undefined ? answer : { ...answer, tunnel: kept }, () =>
    [
      fields([
        ["Dashboard", url],
        ["Through", kept === undefined ? undefined : `the tunnel to ${kept.target}, kept by pid ${kept.pid}`]
      ]),
      "The page asks for the Gateway's token or password once; it is never in the address.",
      ...(isPlainFar(endpoint)
        ? ["Browsers give pages without HTTPS no keys: use a tunnel, or gateway.tls on the Gateway's machine."]
        : []),
      ...(opened || flags.noOpen ? [] : ["No browser could be started here: open the address yourself."])
    ].join("\n")
  )
})
