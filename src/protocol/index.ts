/**
 * `openclaw/protocol`: Gateway protocol v4 as Schemas and one method table. Runs in a browser.
 */
export * as Connect from "./Connect.ts"
export * as DeviceAuth from "./DeviceAuth.ts"
export * as EventTable from "./EventTable.ts"
export * as Frame from "./Frame.ts"
export * as GatewayError from "./GatewayError.ts"
export * as MethodTable from "./MethodTable.ts"
export * as Presence from "./Presence.ts"
export * as Role from "./Role.ts"
