/**
 * Pieces of scripts for the scripted model, and what it was asked.
 */
import type * as Prompt from "effect/ai/Prompt"
import * as Effect from "effect/Effect"
import * as ScriptedModel from "../../src/testing/ScriptedModel.ts"
import type { TestNode } from "./fixtures.ts"

export const studio: TestNode = {
  nodeId: "n-studio",
  displayName: "studio",
  platform: "linux",
  commands: {
    "device.status": () => Effect.succeed({ uptimeSeconds: 7260 }),
    "system.run": () => Effect.succeed({ exitCode: 0, stdout: "hi\n", stderr: "", timedOut: false })
  }
}

export const nodesCall = (params: unknown) => ({ name: "nodes", params })
export const invokeCall = (command = "device.status") => nodesCall({ action: "invoke", node: "studio", command })

export const results = (messages: ReadonlyArray<Prompt.Message> | undefined): ReadonlyArray<Prompt.ToolResultPart> =>
  (messages ?? []).flatMap((message) =>
    message.role === "tool" ? message.content.filter((part) => part.type === "tool-result") : []
  )

export const asked = (call: number) =>
  ScriptedModel.ScriptedModel.use((model) => Effect.map(model.calls, (calls) => calls[call]))
