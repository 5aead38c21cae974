/**
 * The browser of whoever sits here.
 */
import { spawn } from "node:child_process"
import * as Effect from "effect/Effect"
import { Environment } from "./Environment.ts"

const opener = (variables: Environment["Service"]["variables"]): readonly [string, ...Array<string>] | undefined => {
  if (process.platform === "darwin") return ["open"]
  if (process.platform === "win32") return ["rundll32", "url.dll,FileProtocolHandler"]
  const hasScreen = [variables["DISPLAY"], variables["WAYLAND_DISPLAY"]].some((name) => (name ?? "") !== "")
  return hasScreen ? ["xdg-open"] : undefined
}

/** Whether something was started that opens it. It outlives this command, as some browsers are the very process. */
export const openBrowser = Effect.fnUntraced(function* (url: string) {
  const { variables } = yield* Environment
  const [program, ...before] = opener(variables) ?? []
  if (program === undefined) return false
  return yield* Effect.callback<boolean>((resume) => {
    const child = spawn(program, [...before, url], { detached: true, stdio: "ignore", env: { ...variables } })
    child.once("error", () => resume(Effect.succeed(false)))
    child.once("spawn", () => {
      child.unref()
      resume(Effect.succeed(true))
    })
  })
})
