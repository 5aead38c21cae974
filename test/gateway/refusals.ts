/** The table of handshakes that go wrong: what is sent, what is answered, how the socket closes. */
import * as Rig from "./rig.ts"

type Challenge = { readonly nonce: string; readonly ts: number }

export interface Row {
  readonly name: string
  /** The first message, or the params of `connect`. */
  readonly first?: string | Uint8Array | Record<string, unknown>
  readonly params?: (challenge: Challenge) => Record<string, unknown>
  readonly expect: {
    readonly code?: string
    readonly message?: RegExp
    readonly details?: Record<string, unknown>
    readonly close: number
    readonly reason?: string
  }
}

export const device = Rig.makeDevice()
const node = { client: Rig.nodeClient, role: "node", scopes: [] }
const tui = { id: "openclaw-tui", version: "1", platform: "linux", mode: "ui" }
const controlUi = { id: "openclaw-control-ui", version: "1", platform: "Linux x86_64", mode: "webchat" }
export const proof =
  (change: Parameters<typeof Rig.signed>[3] = {}, base: Record<string, unknown> = {}) =>
  (challenge: Challenge) =>
    Rig.signed(device, challenge, Rig.params(base), change)

const invalidFrame = { close: 1008, reason: "invalid request frame" }
export const invalidParams = (message: RegExp) => ({ code: "INVALID_REQUEST", message, close: 1008 })
const mismatch = {
  code: "INVALID_REQUEST",
  details: { code: "PROTOCOL_MISMATCH" },
  close: 1002,
  reason: "protocol mismatch"
}

export const rows: ReadonlyArray<Row> = [
  { name: "C1 not JSON", first: "hello", expect: { close: 1000, reason: "" } },
  { name: "C1 binary that is no JSON", first: new Uint8Array([1, 2, 3]), expect: { close: 1000, reason: "" } },
  {
    name: "C1 binary that is no UTF-8",
    first: new Uint8Array([0x22, 0xff, 0x22]),
    expect: { close: 1000, reason: "" }
  },
  { name: "C1 empty", first: "", expect: { close: 1000, reason: "" } },
  { name: "C1 array", first: "[]", expect: invalidFrame },
  { name: "C1 number", first: "42", expect: invalidFrame },
  { name: "C1 object that is no frame", first: { type: "hi" }, expect: invalidFrame },
  { name: "D8 no id", first: { type: "req", method: "connect" }, expect: invalidFrame },
  { name: "D8 id is a number", first: { type: "req", id: 1, method: "connect" }, expect: invalidFrame },
  {
    name: "C1 request before hello",
    first: { type: "req", id: "1", method: "health" },
    expect: invalidParams(/^invalid handshake: first request must be connect$/)
  },
  {
    name: "connect without params",
    first: { type: "req", id: "1", method: "connect" },
    expect: invalidParams(/^invalid connect params: must be object$/)
  },
  {
    name: "connect {}",
    params: () => ({}),
    expect: invalidParams(/^invalid connect params: must have required property 'minProtocol'$/)
  },
  {
    name: "unknown client id",
    params: () => Rig.params({ client: { ...Rig.cli, id: "nobody" } }),
    expect: invalidParams(/at \/client\/id: must be equal to one of the allowed values$/)
  },
  {
    name: "unknown client mode",
    params: () => Rig.params({ client: { ...Rig.cli, mode: "odd" } }),
    expect: invalidParams(/at \/client\/mode: must be equal to one of the allowed values$/)
  },
  {
    name: "extra property",
    params: () => Rig.params({ bogus: 1 }),
    expect: invalidParams(/at root: unexpected property 'bogus'$/)
  },
  {
    name: "missing nested property",
    params: () => Rig.params({ client: { id: "cli", platform: "x", mode: "cli" } }),
    expect: invalidParams(/at \/client: must have required property 'version'$/)
  },
  {
    name: "D7 deep params",
    first: `{"type":"req","id":"c","method":"connect","params":${"[".repeat(30_000)}${"]".repeat(30_000)}}`,
    expect: invalidFrame
  },
  {
    name: "D7 __proto__ as a key",
    first: `{"type":"req","id":"c","method":"connect","params":{"__proto__":{"admin":true}}}`,
    expect: invalidParams(/unexpected property|must have required property/)
  },
  { name: "C2 range 3-3", params: () => Rig.params({ minProtocol: 3, maxProtocol: 3 }), expect: mismatch },
  { name: "C2 range 5-5", params: () => Rig.params({ minProtocol: 5, maxProtocol: 5 }), expect: mismatch },
  { name: "C2 min > max", params: () => Rig.params({ minProtocol: 5, maxProtocol: 4 }), expect: mismatch },
  { name: "C2 1e9", params: () => Rig.params({ minProtocol: 1e9, maxProtocol: 1e9 }), expect: mismatch },
  {
    name: "C2 zero",
    params: () => Rig.params({ minProtocol: 0 }),
    expect: invalidParams(/at \/minProtocol: must be >= 1$/)
  },
  {
    name: "C2 negative",
    params: () => Rig.params({ minProtocol: -1 }),
    expect: invalidParams(/at \/minProtocol: must be >= 1$/)
  },
  {
    name: "C2 text",
    params: () => Rig.params({ minProtocol: "4" }),
    expect: invalidParams(/at \/minProtocol: must be integer/)
  },
  {
    name: "bad role",
    params: () => Rig.params({ role: "root" }),
    expect: { code: "INVALID_REQUEST", message: /^invalid role$/, close: 1008, reason: "invalid role" }
  },
  {
    name: "C3 wrong token, no device",
    params: () => Rig.params({ auth: { token: "wrong" } }),
    expect: {
      code: "INVALID_REQUEST",
      message: /^unauthorized: gateway token mismatch \(/,
      details: {
        code: "AUTH_TOKEN_MISMATCH",
        authReason: "token_mismatch",
        canRetryWithDeviceToken: false,
        recommendedNextStep: "update_auth_credentials"
      },
      close: 1008
    }
  },
  {
    name: "C3 wrong token with a device",
    params: proof({}, { auth: { token: "wrong" } }),
    expect: {
      code: "INVALID_REQUEST",
      details: { canRetryWithDeviceToken: true, recommendedNextStep: "retry_with_device_token" },
      close: 1008
    }
  },
  {
    name: "C3 token null",
    params: () => Rig.params({ auth: { token: null } }),
    expect: invalidParams(/at \/auth\/token: must be string/)
  },
  {
    name: "C3 token array",
    params: () => Rig.params({ auth: { token: [Rig.TOKEN] } }),
    expect: invalidParams(/at \/auth\/token: must be string/)
  },
  {
    name: "C3 token of 1 MB",
    params: () => Rig.params({ auth: { token: "x".repeat(1_000_000) } }),
    expect: { close: 1009, reason: "" }
  },
  {
    name: "C3 token empty is no token",
    params: () => Rig.params({ auth: { token: "" } }),
    expect: { code: "NOT_PAIRED", details: { code: "DEVICE_IDENTITY_REQUIRED" }, close: 1008 }
  },
  {
    name: "no auth, no device",
    params: () => Rig.params({ auth: undefined }),
    expect: {
      code: "NOT_PAIRED",
      message: /^device identity required$/,
      details: { code: "DEVICE_IDENTITY_REQUIRED" },
      close: 1008
    }
  },
  {
    name: "C4 a device alone is no credential",
    params: proof({}, { auth: undefined }),
    expect: {
      code: "INVALID_REQUEST",
      message: /^unauthorized: gateway token missing \(/,
      details: { code: "AUTH_TOKEN_MISSING", recommendedNextStep: "update_auth_configuration" },
      close: 1008
    }
  },
  {
    name: "C4 any device token",
    params: proof({}, { auth: { deviceToken: "anything" } }),
    expect: {
      code: "INVALID_REQUEST",
      message: /device token mismatch \(rotate\/reissue device token\)$/,
      details: { code: "AUTH_DEVICE_TOKEN_MISMATCH" },
      close: 1008
    }
  },
  {
    name: "bad bootstrap token",
    params: proof({}, { auth: { bootstrapToken: "x" } }),
    expect: {
      code: "INVALID_REQUEST",
      message: /^unauthorized: setup code invalid, expired, revoked, or already used \(/,
      details: {
        code: "AUTH_BOOTSTRAP_TOKEN_INVALID",
        authReason: "bootstrap_token_invalid",
        canRetryWithDeviceToken: false,
        recommendedNextStep: "review_auth_configuration"
      },
      close: 1008
    }
  },
  {
    name: "bootstrap token without a device",
    params: () => Rig.params({ auth: { bootstrapToken: "x" } }),
    expect: { code: "NOT_PAIRED", details: { code: "DEVICE_IDENTITY_REQUIRED" }, close: 1008 }
  },
  {
    name: "C10 bad device token beside a bad bootstrap token",
    params: proof({}, { auth: { deviceToken: "x", bootstrapToken: "x" } }),
    expect: { code: "INVALID_REQUEST", details: { code: "AUTH_DEVICE_TOKEN_MISMATCH" }, close: 1008 }
  },
  {
    name: "C10 bad token beside a bad device token",
    params: proof({}, { auth: { token: "x", deviceToken: "x" } }),
    expect: { code: "INVALID_REQUEST", details: { code: "AUTH_DEVICE_TOKEN_MISMATCH" }, close: 1008 }
  },
  {
    name: "wrong password where a token is asked for",
    params: () => Rig.params({ auth: { password: "wrong" } }),
    expect: {
      code: "INVALID_REQUEST",
      message: /^unauthorized: gateway token mismatch \(/,
      details: { code: "AUTH_TOKEN_MISMATCH", authReason: "token_mismatch" },
      close: 1008
    }
  },
  {
    name: "a worker is no role here",
    params: () => Rig.params({ role: "worker" }),
    expect: { code: "INVALID_REQUEST", message: /^invalid role$/, close: 1008 }
  },
  {
    name: "node without a device",
    params: () => Rig.params(node),
    expect: { code: "NOT_PAIRED", details: { code: "DEVICE_IDENTITY_REQUIRED" }, close: 1008 }
  },
  {
    name: "Control UI without an Origin",
    params: () => Rig.params({ client: controlUi }),
    expect: {
      code: "INVALID_REQUEST",
      message: /^origin not allowed \(/,
      details: { code: "CONTROL_UI_ORIGIN_NOT_ALLOWED", reason: "origin missing or invalid" },
      close: 1008
    }
  },
  {
    name: "TUI without a device",
    params: () => Rig.params({ client: tui }),
    expect: {
      code: "INVALID_REQUEST",
      message: /^control ui requires device identity \(/,
      details: { code: "CONTROL_UI_DEVICE_IDENTITY_REQUIRED" },
      close: 1008
    }
  }
]
