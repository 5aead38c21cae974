/**
 * A QR code as a PNG picture: one bit a pixel, black on white, with the border that readers need.
 */
import { crc32, deflateSync } from "node:zlib"
import type { Modules } from "../../domain/Qr.ts"

const SIGNATURE = Buffer.from([0x89, 0x50, 0x4e, 0x47, 0x0d, 0x0a, 0x1a, 0x0a])
const BORDER = 4

const chunk = (type: string, data: Uint8Array): Buffer => {
  const body = Buffer.concat([Buffer.from(type, "latin1"), data])
  const frame = Buffer.alloc(8)
  frame.writeUInt32BE(data.length, 0)
  frame.writeUInt32BE(crc32(body), 4)
  return Buffer.concat([frame.subarray(0, 4), body, frame.subarray(4)])
}

/** `scale`: pixels a module. */
export const qrPng = (modules: Modules, scale = 4): Buffer => {
  const size = (modules.length + 2 * BORDER) * scale
  const stride = Math.ceil(size / 8)
  const pixels = Buffer.alloc((stride + 1) * size)
  for (let y = 0; y < size; y++) {
    const row = modules[Math.floor(y / scale) - BORDER]
    for (let x = 0; x < size; x++) {
      if (row?.[Math.floor(x / scale) - BORDER] === true) continue
      const at = y * (stride + 1) + 1 + (x >>> 3)
      pixels[at] = (pixels[at] ?? 0) | (0x80 >>> (x & 7))
    }
  }
  const header = Buffer.alloc(13)
  header.writeUInt32BE(size, 0)
  header.writeUInt32BE(size, 4)
  header[8] = 1
  return Buffer.concat([
    SIGNATURE,
    chunk("IHDR", header),
    chunk("IDAT", deflateSync(pixels, { level: 9 })),
    chunk("IEND", Buffer.alloc(0))
  ])
}

export const qrDataUrl = (modules: Modules): string => `data:image/png;base64,${qrPng(modules).toString("base64")}`
