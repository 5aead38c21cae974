/**
 * How the commands for services say what they did.
 */
import * as Console from "effect/Console"
import * as Effect from "effect/Effect"
import type { ServiceKind } from "../../services/ServiceManager.ts"
import { Json } from "../globals.ts"
import { fields, lines, print } from "../output.ts"
import { summary } from "./managed.ts"

export const nouns: Readonly<Record<ServiceKind, string>> = { gateway: "Gateway", node: "Node" }

export interface Done {
  readonly action: "install" | "uninstall" | "start" | "stop" | "restart"
  readonly result: string
  /** For people. */
  readonly words: string
  readonly pid?: number | undefined
  readonly url?: string | undefined
  readonly rows?: ReadonlyArray<readonly [name: string, value: string | undefined]>
  readonly more?: Readonly<Record<string, unknown>>
}

/** How a machine keeps the user's services running after the user logged out. */
export const lingerHint = (lingering: boolean | undefined): string | undefined =>
  lingering === false
    ? `it ends when you log out, and does not start with the machine.\nFix: \`sudo loginctl enable-linger $USER\`, once.`
    : undefined

/** The result on stdout; what is to be done about it on stderr. */
export const done = Effect.fnUntraced(function* (kind: ServiceKind, what: Done) {
  const service = yield* summary(kind)
  const { action, more, pid, result, rows, url, words } = what
  yield* print({ action, ok: true, result, pid, url, ...more, service }, () =>
    fields([
      [nouns[kind], words],
      ["Service", `${service.id} (${service.label})`],
      ["Process", pid === undefined ? undefined : `pid ${pid}`],
      ["URL", url],
      ...(rows ?? [])
    ])
  )
  const hint = action === "install" || action === "start" ? lingerHint(service.lingering) : undefined
  if (hint !== undefined && !(yield* Json)) yield* Console.error(lines(`The service is there, but ${hint}`))
})
