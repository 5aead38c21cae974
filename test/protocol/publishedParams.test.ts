/**
 * What the published schema lets a client send, this Gateway takes: values at each edge of the schema, for every method that
 * has params there. Names are bounded here and have no control characters; no client of OpenClaw's sends others.
 */
import { assert, describe, it } from "@effect/vitest"
import * as Result from "effect/Result"
import { decodeParams } from "../../src/layers/gateway/decode.ts"
import { methodNames } from "../../src/protocol/MethodTable.ts"
import { paramsOf, samplesOf } from "./published.ts"

const runtime = "only OpenClaw's own runtime sends it, to the Gateway that it is part of"
const other = "it asks for another kind of turn than there is here; to take it and run the usual one would be wrong"

/** What we refuse of it, by the property that is named in the refusal, and why. */
const narrower: Readonly<Record<string, string>> = {
  "device.pair.setupCode joinUrl": "there is no page here that such an address could lead to",
  "chat.send intent": "sessions have no goals here",
  "agent modelRun": other,
  "agent promptMode": other,
  "agent bootstrapContextMode": other,
  "agent bootstrapContextRunKind": other,
  "agent cwd": "a turn has no working directory; nodes have",
  "agent sessionEffects": other,
  "agent suppressPromptPersistence": other,
  "agent sourceReplyDeliveryMode": other,
  "agent disableMessageTool": other,
  "agent swarmCollector": other,
  "agent swarmOutputSchema": other,
  "agent forceRestartSafeTools": other,
  "agent forceCodeModeTools": other,
  "agent acpTurnSource": runtime,
  "agent expectedExistingSessionId": runtime,
  "agent execApprovalFollowupExpectedSessionId": runtime,
  "agent internalEvents": runtime,
  "agent internalExecutionIdentityRecoveryAttempt": runtime,
  "agent internalExecutionIdentityRetry": runtime,
  "agent internalRuntimeHandoffId": runtime
}

const described = methodNames.filter((method) => paramsOf(method) !== undefined)

describe("params of the published schema", () => {
  it("are taken", () => {
    const refused = new Map<string, string>()
    assert.isAbove(described.length, 70)
    for (const method of described) {
      const values = samplesOf(paramsOf(method)!)
      assert.isAbove(values.length, 0, method)
      for (const value of values) {
        const decoded = decodeParams(method, value)
        if (Result.isSuccess(decoded)) continue
        const property = /^at root: unexpected property '(.+)'$/.exec(decoded.failure)?.[1]
        refused.set(`${method} ${property ?? decoded.failure}`, JSON.stringify(value).slice(0, 300))
      }
    }
    assert.deepStrictEqual(
      [...refused].filter(([what]) => !(what in narrower)),
      []
    )
    // A reason for what is taken by now is no reason.
    assert.sameMembers([...refused.keys()], Object.keys(narrower))
  })
})
