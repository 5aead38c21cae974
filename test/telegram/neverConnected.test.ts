import { assert, describe, it } from "@effect/vitest"
import * as HttpClientError from "effect/http/HttpClientError"
import * as HttpClientRequest from "effect/http/HttpClientRequest"
import { neverConnected } from "../../src/layers/telegram/neverConnected.ts"

const failed = (fields: object) =>
  neverConnected(
    new HttpClientError.HttpClientError({
      reason: new HttpClientError.TransportError({
        request: HttpClientRequest.get("http://localhost"),
        cause: new TypeError("fetch failed", { cause: Object.assign(new Error("x"), fields) })
      })
    })
  )

describe("a request", () => {
  it("never left when the connection was not made", () => {
    for (const code of ["EHOSTUNREACH", "ENETUNREACH", "ENETDOWN", "ECONNRESET", "ETIMEDOUT"]) {
      assert.strictEqual(failed({ code, syscall: "connect" }), code)
    }
    assert.strictEqual(failed({ code: "ECONNREFUSED" }), "ECONNREFUSED")
  })

  it("may have arrived when a connection broke that was in use", () => {
    for (const code of ["EHOSTUNREACH", "ENETUNREACH", "ENETDOWN", "ECONNRESET", "EPIPE"]) {
      for (const syscall of ["read", "write", undefined]) assert.isUndefined(failed({ code, syscall }))
    }
  })
})
