/**
 * What a device signs to prove its key, as plain strings; hashing and signing are done by whoever has a crypto library.
 *
 * Source: recorded connects of OpenClaw 2026.9.6. The Control UI signs v2, every other client v3. The Gateway tries v3,
 * then v2.
 */

export interface DeviceAuthInput {
  readonly deviceId: string
  readonly clientId: string
  readonly clientMode: string
  readonly role: string
  /** Exactly the list that was sent, in its order. */
  readonly scopes: ReadonlyArray<string>
  /** Unix milliseconds. */
  readonly signedAtMs: number
  /** The credential sent beside the proof: token, else deviceToken, else bootstrapToken, else nothing. */
  readonly token: string | undefined
  readonly nonce: string
  readonly platform: string | undefined
  readonly deviceFamily: string | undefined
}

/** Milliseconds that `signedAt` may be off in either direction. */
export const SIGNATURE_SKEW_MS = 120_000

const normalized = (value: string | undefined) =>
  (value ?? "").trim().replace(/[A-Z]/g, (letter) => letter.toLowerCase())

export const payloadV2 = (input: DeviceAuthInput): string =>
  [
    "v2",
    input.deviceId,
    input.clientId,
    input.clientMode,
    input.role,
    input.scopes.join(","),
    String(input.signedAtMs),
    input.token ?? "",
    input.nonce
  ].join("|")

export const payloadV3 = (input: DeviceAuthInput): string =>
  ["v3", ...payloadV2(input).split("|").slice(1), normalized(input.platform), normalized(input.deviceFamily)].join("|")
