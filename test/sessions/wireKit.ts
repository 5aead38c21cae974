/** A whole Gateway with a scripted model, and raw clients that show every frame. */
import { assert } from "@effect/vitest"
import * as Context from "effect/Context"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import type { OpenClawConfig } from "../../src/services/ConfigSchema.ts"
import * as GatewayTest from "../../src/testing/GatewayTest.ts"
import * as ScriptedModel from "../../src/testing/ScriptedModel.ts"
import * as Rig from "../gateway/rig.ts"
import { conforms, isDefined } from "../protocol/published.ts"

export const start = Effect.fnUntraced(function* (script: ScriptedModel.Script, config: OpenClawConfig = {}) {
  const scripted = yield* Layer.build(ScriptedModel.layer(script))
  const models = Layer.succeedContext(scripted)
  const services = yield* Layer.build(GatewayTest.layer({ models, config }))
  const { port, token } = Context.get(services, GatewayTest.GatewayTest)
  const model = Context.get(scripted, ScriptedModel.ScriptedModel)
  const connect = (scopes: ReadonlyArray<string> = ["operator.admin"]) =>
    Effect.map(Rig.connect(`ws://127.0.0.1:${port}`, { scopes, auth: { token } }), ({ raw }) => new Client(raw))
  return { connect, model }
})

/** What the published schema names for params of a method. */
const paramsOf = (method: string): string =>
  `${method
    .split(".")
    .map((part) => part.slice(0, 1).toUpperCase() + part.slice(1))
    .join("")}Params`

export class Client {
  readonly raw: Rig.Raw
  constructor(raw: Rig.Raw) {
    this.raw = raw
  }
  /** The result of a call whose params the published schema allows. */
  ok(method: string, params: unknown = {}) {
    if (isDefined(paramsOf(method))) conforms(paramsOf(method), params)
    return Effect.map(this.raw.request(method, params), (answer) => {
      assert.isUndefined(answer.error, `${method}: ${JSON.stringify(answer.error)}`)
      const result = paramsOf(method).replace(/Params$/, "Result")
      if (isDefined(result)) conforms(result, answer.payload)
      return answer.payload
    })
  }
  no(method: string, params: unknown = {}) {
    return Effect.map(this.raw.request(method, params), ({ error }) => {
      assert.isDefined(error, `${method} was answered`)
      conforms("ErrorShape", error)
      return error!
    })
  }
  events(name: string): ReadonlyArray<any> {
    return this.raw.frames.flatMap((frame) => (frame.event === name ? [frame.payload] : []))
  }
  until(name: string, fits: (payload: any) => boolean) {
    return this.raw.until<any>(() => this.events(name).find(fits))
  }
  /** Sends a message and waits for the end of its turn. */
  turn(message: string, key: string, sessionKey = "main") {
    return Effect.andThen(
      this.ok("chat.send", { sessionKey, message, idempotencyKey: key }),
      this.until("chat", (payload) => payload.runId === key && payload.state !== "delta")
    )
  }
}

/** The texts of a page's messages. */
export const textsOf = (messages: ReadonlyArray<any>): ReadonlyArray<string> =>
  messages.map(({ content }) =>
    typeof content === "string" ? content : content.map((part: any) => part.text).join("")
  )
