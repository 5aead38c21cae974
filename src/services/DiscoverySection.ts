/**
 * `discovery` of `openclaw.json`, and the switches of OpenClaw's plugins that mean something here.
 */
import * as Schema from "effect/Schema"

/** How much a Gateway tells its network of itself: `full` adds where ssh listens and where the program is. */
export const MdnsMode = Schema.Literals(["off", "minimal", "full"])
export type MdnsMode = typeof MdnsMode.Type

export const DiscoverySection = Schema.Struct({
  mdns: Schema.optional(
    Schema.Struct({
      /** How much the Gateway tells the local network of itself, so that others find it. @default minimal on macOS, else off */
      mode: Schema.optional(MdnsMode)
    })
  )
})

export const PluginsSection = Schema.Struct({
  entries: Schema.optional(
    Schema.Struct({
      bonjour: Schema.optional(
        Schema.Struct({
          /** `true` lets the Gateway be found as `discovery.mdns` says, `false` hides it. */
          enabled: Schema.optional(Schema.Boolean)
        })
      ),
      "diagnostics-prometheus": Schema.optional(
        Schema.Struct({
          /** Answers `GET /metrics`. @default true */
          enabled: Schema.optional(Schema.Boolean)
        })
      )
    })
  )
})
