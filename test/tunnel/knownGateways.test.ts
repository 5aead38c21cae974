import { assert, describe, it } from "@effect/vitest"
import * as Effect from "effect/Effect"
import * as Result from "effect/Result"
import * as KnownGateways from "../../src/client/tunnel/knownGateways.ts"
import * as SshTarget from "../../src/domain/SshTarget.ts"
import { StateDir } from "../../src/services/StateDir.ts"
import { isTerminal, KNOWN_GATEWAYS, type TunnelSpec } from "../../src/services/TunnelManager.ts"
import { temporaryStateDir } from "../client/stateDir.ts"

const at = (name: string, remotePort: number): TunnelSpec => ({
  target: Result.getOrThrow(SshTarget.parse(name, "--ssh")),
  localPort: 1,
  remotePort,
  hostKeyPolicy: "strict"
})

const said = (deviceId: string) => ({ deviceId, proves: false })
const proven = (deviceId: string) => ({ deviceId, proves: true })

describe("known Gateways", () => {
  it.live("are remembered by target and far port, also by the next process", () =>
    Effect.gen(function* () {
      const known = yield* KnownGateways.make
      yield* Effect.all(
        [
          known.put(at("a", 1), said("one")),
          known.put(at("a", 2), said("two")),
          known.put(at("b", 1), proven("three"))
        ],
        { concurrency: "unbounded" }
      )
      yield* known.put(at("a", 1), proven("four"))
      const next = yield* KnownGateways.make
      assert.deepStrictEqual(yield* Effect.forEach([at("a", 1), at("a", 2), at("b", 1), at("b", 2)], next.get), [
        proven("four"),
        said("two"),
        proven("three"),
        undefined
      ])
    }).pipe(Effect.provide(temporaryStateDir))
  )

  it.live("are forgotten by target, at one far port or at any", () =>
    Effect.gen(function* () {
      const known = yield* KnownGateways.make
      for (const spec of [at("a", 1), at("a", 2), at("b", 1)]) yield* known.put(spec, proven("one"))
      assert.strictEqual(yield* KnownGateways.forget("c"), 0)
      assert.strictEqual(yield* KnownGateways.forget("a", 2), 1)
      assert.isUndefined(yield* known.get(at("a", 2)))
      assert.isDefined(yield* known.get(at("a", 1)))
      assert.strictEqual(yield* KnownGateways.forget("a"), 1)
      assert.isUndefined(yield* known.get(at("a", 1)))
      assert.isDefined(yield* known.get(at("b", 1)))
    }).pipe(Effect.provide(temporaryStateDir))
  )

  it.effect("that cannot be read are not overwritten, and stop a tunnel", () =>
    Effect.gen(function* () {
      const state = yield* StateDir
      yield* state.write(KNOWN_GATEWAYS, "{")
      const known = yield* KnownGateways.make
      const error = yield* Effect.flip(known.get(at("a", 1)))
      assert.strictEqual(error._tag, "KnownGatewaysUnusable")
      assert.isTrue(isTerminal(error))
      assert.include(error.message, "Fix: ")
      yield* known.put(at("a", 1), proven("one"))
      assert.strictEqual(yield* state.read(KNOWN_GATEWAYS), "{")
    }).pipe(Effect.provide(temporaryStateDir))
  )
})
