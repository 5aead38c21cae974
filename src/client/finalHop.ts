/**
 * Where a host's name leads. Plain `ws:` to a name is let through because of the name, and anybody who answers for it may
 * give any address, so the address is judged too, and before it is dialled.
 */
import { lookup } from "node:dns"
import type { LookupFunction } from "node:net"
import * as Context from "effect/Context"
import * as Schema from "effect/Schema"
import { type Endpoint, isEncrypted, mayLeadTo } from "../domain/Endpoint.ts"

/** Finds the addresses of host names. The system's own way, unless somebody gives another. */
export const HostLookup = Context.Reference<LookupFunction>("openclaw/client/HostLookup", {
  defaultValue: () => lookup
})

/** None of the addresses that a name leads to may be reached without encryption. Nothing was dialled. */
export class InsecureAddress extends Schema.TaggedError<InsecureAddress>()("InsecureAddress", {
  /** The first of them; a name may also have none. */
  address: Schema.optional(Schema.String)
}) {
  override get message() {
    return `its name leads to ${this.address ?? "nowhere"}, where everything would travel unencrypted; nothing was sent`
  }
}

/** The addresses of a name that the endpoint may lead to; an error when there is none. */
export const judged =
  (endpoint: Endpoint, find: LookupFunction): LookupFunction =>
  (hostname, options, callback) =>
    find(hostname, { ...options, all: true }, (error, found, family) => {
      if (error !== null) return callback(error, [])
      const all = typeof found === "string" ? [{ address: found, family: family ?? 0 }] : found
      const allowed = isEncrypted(endpoint) ? all : all.filter(({ address }) => mayLeadTo(endpoint, address))
      const [first] = allowed
      if (first === undefined) return callback(new InsecureAddress({ address: all[0]?.address }), [])
      return options.all === true ? callback(null, allowed) : callback(null, first.address, first.family)
    })
