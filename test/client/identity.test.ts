import { statSync } from "node:fs"
import { assert, describe, it } from "@effect/vitest"
import * as Effect from "effect/Effect"
import * as FileSystem from "effect/FileSystem"
import { DeviceIdentity, DeviceTokens } from "../../src/client/index.ts"
import { deviceToken, reveal } from "../../src/domain/Credential.ts"
import { Endpoint } from "../../src/domain/Endpoint.ts"
import * as SshTarget from "../../src/domain/SshTarget.ts"
import { StateDir } from "../../src/services/StateDir.ts"
import { temporaryStateDir } from "./stateDir.ts"

const FILE = "identity/device.json"

describe("the device identity", () => {
  it.effect("is made once, private, and the same ever after, also for programs that start together", () =>
    Effect.gen(function* () {
      const state = yield* StateDir
      const fs = yield* FileSystem.FileSystem
      const all = yield* Effect.all(
        Array.from({ length: 8 }, () => DeviceIdentity.load),
        { concurrency: "unbounded" }
      )
      assert.strictEqual(new Set(all.map((identity) => identity.id)).size, 1)
      const again = yield* DeviceIdentity.load
      assert.strictEqual(again.id, all[0]?.id)
      assert.strictEqual(again.sign("x"), all[0]?.sign("x"))
      assert.match(again.id, /^[0-9a-f]{64}$/)
      assert.strictEqual(statSync(state.path(FILE)).mode & 0o777, 0o600)
      assert.deepStrictEqual(yield* fs.readDirectory(state.path("identity")), ["device.json"])
    }).pipe(Effect.provide(temporaryStateDir))
  )

  it.effect("another program's identity that appears meanwhile is taken, not overwritten", () =>
    Effect.gen(function* () {
      const state = yield* StateDir
      const fs = yield* FileSystem.FileSystem
      const theirs = yield* DeviceIdentity.load
      const file = (yield* state.read(FILE)) ?? ""
      yield* fs.remove(state.path(FILE))
      const slow: FileSystem.FileSystem = {
        ...fs,
        link: (from, to) => Effect.andThen(fs.writeFileString(to, file, { mode: 0o600 }), fs.link(from, to))
      }
      const ours = yield* Effect.provideService(DeviceIdentity.load, FileSystem.FileSystem, slow)
      assert.strictEqual(ours.id, theirs.id)
    }).pipe(Effect.provide(temporaryStateDir))
  )

  it.effect("is made all the same where there are no hard links", () =>
    Effect.gen(function* () {
      const fs = yield* FileSystem.FileSystem
      const linkless: FileSystem.FileSystem = {
        ...fs,
        link: () => fs.readLink("/nowhere").pipe(Effect.asVoid)
      }
      const made = yield* Effect.provideService(DeviceIdentity.load, FileSystem.FileSystem, linkless)
      assert.strictEqual((yield* DeviceIdentity.load).id, made.id)
    }).pipe(Effect.provide(temporaryStateDir))
  )

  it.effect.each<readonly [string, (text: string) => string]>([
    ["no JSON", () => "{"],
    ["another version", (text) => text.replace('"version":1', '"version":9')],
    [
      "another key's id",
      (text) => text.replace(/"deviceId":"."/, '"deviceId":"x"').replace(/"deviceId":"[^"]*"/, '"deviceId":"beef"')
    ],
    ["a broken key", (text) => text.replace("BEGIN PRIVATE", "BEGIN BROKEN")]
  ])("DeviceIdentityCorrupt: %s; the file stays as it is and its key is not shown", ([, damage]) =>
    Effect.gen(function* () {
      const state = yield* StateDir
      yield* DeviceIdentity.load
      const whole = (yield* state.read(FILE)) ?? ""
      const damaged = damage(whole)
      assert.notStrictEqual(damaged, whole)
      yield* state.write(FILE, damaged)
      const error = yield* Effect.flip(DeviceIdentity.load)
      assert.strictEqual(error._tag, "DeviceIdentityCorrupt")
      const secret = /PRIVATE KEY-----\\n(.{20})/.exec(whole)?.[1] ?? "no key"
      assert.include(whole, secret)
      assert.notInclude(`${error.message}${JSON.stringify(error)}`, secret)
      assert.include(error.message, "Fix:")
      assert.strictEqual(yield* state.read(FILE), damaged)
    }).pipe(Effect.provide(temporaryStateDir))
  )
})

describe("device tokens", () => {
  const endpoint = Endpoint.make("wss://a.example")
  const other = Endpoint.make("wss://b.example")

  it.effect("are kept by endpoint, device and role, in a private file", () =>
    Effect.gen(function* () {
      const state = yield* StateDir
      const { id: deviceId } = yield* DeviceIdentity.ephemeral
      const tokens = yield* DeviceTokens.make
      const key = { issuer: endpoint, deviceId, role: "node" }
      yield* Effect.all(
        [
          tokens.put(key, { token: deviceToken("one"), scopes: ["s"] }),
          tokens.put({ ...key, role: "operator" }, { token: deviceToken("two"), scopes: [] })
        ],
        { concurrency: "unbounded" }
      )
      yield* tokens.put(key, { token: deviceToken("three"), scopes: ["s"] })
      const fresh = yield* DeviceTokens.make
      const stored = yield* fresh.get(key)
      assert(stored !== undefined)
      assert.strictEqual(reveal(stored.token), "three")
      assert.deepStrictEqual(stored.scopes, ["s"])
      assert.isUndefined(yield* fresh.get({ ...key, issuer: other }))
      assert.isUndefined(yield* fresh.get({ ...key, deviceId: (yield* DeviceIdentity.ephemeral).id }))
      assert.strictEqual(statSync(state.path("identity/device-auth.json")).mode & 0o777, 0o600)
      yield* fresh.remove(key)
      assert.isUndefined(yield* fresh.get(key))
      assert.isDefined(yield* fresh.get({ ...key, role: "operator" }))
    }).pipe(Effect.provide(temporaryStateDir))
  )

  it.effect("behind a tunnel are kept by host and port of the far side", () =>
    Effect.gen(function* () {
      const { id: deviceId } = yield* DeviceIdentity.ephemeral
      const tokens = yield* DeviceTokens.make
      const near = Endpoint.make("ws://127.0.0.1:18789")
      const way = (target: string, remotePort: number, endpoint = near) =>
        ({ endpoint, ssh: { target: SshTarget.SshTarget.make(target), remotePort } }) as const
      const at = (to: Parameters<typeof DeviceTokens.issuerOf>[0]) => ({
        issuer: DeviceTokens.issuerOf(to),
        deviceId,
        role: "node"
      })
      // Of a tunnel opened by hand, before this program opened any: nobody knows whose it is.
      yield* tokens.put(at({ endpoint: near }), { token: deviceToken("by hand"), scopes: [] })
      yield* tokens.put(at(way("me@a", 18_789)), { token: deviceToken("a"), scopes: [] })
      const get = (key: DeviceTokens.TokenKey) =>
        Effect.map(tokens.get(key), (stored) => (stored === undefined ? undefined : reveal(stored.token)))
      assert.strictEqual(yield* get(at(way("me@a", 18_789, Endpoint.make("ws://127.0.0.1:4000")))), "a")
      assert.isUndefined(yield* get(at(way("me@b", 18_789))))
      assert.isUndefined(yield* get(at(way("me@a", 18_790))))
      assert.strictEqual(yield* get(at({ endpoint: near })), "by hand")
    }).pipe(Effect.provide(temporaryStateDir))
  )

  it.effect("of a file that says nothing about endpoints are not used", () =>
    Effect.gen(function* () {
      const state = yield* StateDir
      const { id: deviceId } = yield* DeviceIdentity.ephemeral
      yield* state.write(
        "identity/device-auth.json",
        JSON.stringify({ version: 1, deviceId, tokens: { operator: { token: "t", role: "operator", scopes: [] } } })
      )
      const tokens = yield* DeviceTokens.make
      assert.isUndefined(yield* tokens.get({ issuer: endpoint, deviceId, role: "operator" }))
    }).pipe(Effect.provide(temporaryStateDir))
  )
})
