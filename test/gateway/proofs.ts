/** The table of handshakes that go wrong for what the proof of a device says. */
import { device, invalidParams, proof, type Row } from "./refusals.ts"
import * as Rig from "./rig.ts"

const other = Rig.makeDevice()
const deviceError = (code: string, reason: string) => ({
  code: "INVALID_REQUEST",
  details: { code, reason },
  close: 1008
})
const smallOrderKey = Buffer.alloc(32).toString("base64url")
const smallOrderId = "66687aadf862bd776c8fc18b8e9f8e20089714856ee233b3902a591d0d5f2925"

export const proofs: ReadonlyArray<Row> = [
  {
    name: "C7 nonce of another socket",
    params: proof({ proof: { nonce: "elsewhere" } }),
    expect: deviceError("DEVICE_AUTH_NONCE_MISMATCH", "device-nonce-mismatch")
  },
  {
    name: "C7 huge nonce",
    params: proof({ proof: { nonce: "n".repeat(20_000) } }),
    expect: deviceError("DEVICE_AUTH_NONCE_MISMATCH", "device-nonce-mismatch")
  },
  {
    name: "C7 blank nonce",
    params: proof({ proof: { nonce: "  " } }),
    expect: deviceError("DEVICE_AUTH_NONCE_REQUIRED", "device-nonce-missing")
  },
  {
    name: "C8 signature by another key",
    params: (challenge) => {
      const mine = Rig.signed(device, challenge, Rig.params())
      const theirs = Rig.signed(other, challenge, Rig.params(), { over: { deviceId: device.id } })
      return { ...mine, device: { ...mine["device"], signature: theirs["device"].signature } }
    },
    expect: deviceError("DEVICE_AUTH_SIGNATURE_INVALID", "device-signature")
  },
  ...(
    [
      ["role", { role: "node" }],
      ["scopes", { scopes: ["operator.read"] }],
      ["token", { token: "another" }],
      ["platform", { platform: "windows" }],
      ["device family", { deviceFamily: "Phone" }],
      ["time", { signedAtMs: 1 }]
    ] as const
  ).map(([what, over]): Row => ({
    name: `C8 signature over another ${what}`,
    params: proof({ over }),
    expect: deviceError("DEVICE_AUTH_SIGNATURE_INVALID", "device-signature")
  })),
  {
    name: "C8 signature of zeros",
    params: proof({ proof: { signature: Buffer.alloc(64).toString("base64url") } }),
    expect: deviceError("DEVICE_AUTH_SIGNATURE_INVALID", "device-signature")
  },
  {
    name: "C8 signature too short",
    params: proof({ proof: { signature: "AAAA" } }),
    expect: deviceError("DEVICE_AUTH_SIGNATURE_INVALID", "device-signature")
  },
  {
    name: "C8 wrong device id",
    params: proof({ proof: { id: other.id } }),
    expect: deviceError("DEVICE_AUTH_DEVICE_ID_MISMATCH", "device-id-mismatch")
  },
  {
    name: "C8 garbage public key",
    params: proof({ proof: { publicKey: "%%%" } }),
    expect: deviceError("DEVICE_AUTH_DEVICE_ID_MISMATCH", "device-id-mismatch")
  },
  {
    name: "C8 public key of 31 bytes",
    params: proof({ proof: { publicKey: Buffer.alloc(31, 7).toString("base64url") } }),
    expect: deviceError("DEVICE_AUTH_DEVICE_ID_MISMATCH", "device-id-mismatch")
  },
  {
    name: "C8 low-order point",
    params: proof({ proof: { publicKey: smallOrderKey, id: smallOrderId } }),
    expect: deviceError("DEVICE_AUTH_DEVICE_ID_MISMATCH", "device-id-mismatch")
  },
  {
    name: "C9 an hour early",
    params: (c) => Rig.signed(device, c, Rig.params(), { signedAt: c.ts + 3_600_000 }),
    expect: deviceError("DEVICE_AUTH_SIGNATURE_EXPIRED", "device-signature-stale")
  },
  {
    name: "C9 121 s late",
    params: (c) => Rig.signed(device, c, Rig.params(), { signedAt: c.ts - 121_000 }),
    expect: deviceError("DEVICE_AUTH_SIGNATURE_EXPIRED", "device-signature-stale")
  },
  {
    name: "C9 negative",
    params: proof({ proof: { signedAt: -1 } }),
    expect: invalidParams(/at \/device\/signedAt: must be/)
  },
  {
    name: "C9 text",
    params: proof({ proof: { signedAt: "now" } }),
    expect: invalidParams(/at \/device\/signedAt: must be integer/)
  },
  {
    name: "C9 NaN, which JSON writes null",
    params: proof({ proof: { signedAt: Number.NaN } }),
    expect: invalidParams(/at \/device\/signedAt: must be integer/)
  },
  {
    name: "C9 2^53",
    params: proof({ proof: { signedAt: 2 ** 53 } }),
    expect: { code: "INVALID_REQUEST", close: 1008 }
  }
]
