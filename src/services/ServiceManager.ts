/**
 * What keeps a Gateway or a node running when nobody is logged in: systemd's user manager, or launchd. One service a kind and
 * profile; its definition is a file of the user's own, without a secret in it.
 */
import * as Context from "effect/Context"
import type * as Effect from "effect/Effect"
import type * as Option from "effect/Option"
import * as Schema from "effect/Schema"

export type ServiceKind = "gateway" | "node"

/** Two profiles have two services. `undefined` is the default profile. */
export interface ServiceName {
  readonly kind: ServiceKind
  readonly profile: string | undefined
}

/** What is run, and how. All paths are absolute. */
export interface ServiceDefinition {
  readonly name: ServiceName
  /** For people: what lists of services show. */
  readonly description: string
  /** The program and its arguments. Any user of the machine may read them. */
  readonly command: readonly [program: string, ...args: ReadonlyArray<string>]
  readonly workingDirectory: string
  /** Nothing secret: any user of the machine may read it. */
  readonly environment: Readonly<Record<string, string>>
  /** Variables that only the owner may read. The file may be missing. */
  readonly environmentFile: string
  /** Where what it prints goes, if the manager itself keeps no log. */
  readonly outputFile: string
}

/** A definition as it stands on the disk. */
export interface InstalledService {
  /** Absolute path of the file. */
  readonly path: string
  readonly text: string
  /** Written by this program, not by another one or by hand. */
  readonly ours: boolean
  readonly command: ReadonlyArray<string>
  readonly environment: Readonly<Record<string, string>>
}

export interface ServiceState {
  /** Starts by itself, when the user's services do. */
  readonly enabled: boolean
  /** `restarting`: it ended and is started again after a pause. `failed`: it ended and stays so. */
  readonly status: "running" | "starting" | "restarting" | "stopping" | "stopped" | "failed" | "unknown"
  /** The manager's own words. */
  readonly detail: string
  readonly pid?: number | undefined
  /** Of its last end. */
  readonly exitCode?: number | undefined
  /** By itself, since it was started by somebody. */
  readonly restarts?: number | undefined
  /** Files that change the definition. They are their author's, and stay. */
  readonly overrides?: ReadonlyArray<string> | undefined
}

/** Nothing here manages services of this user. */
export class ServiceManagerUnavailable extends Schema.TaggedError<ServiceManagerUnavailable>()(
  "ServiceManagerUnavailable",
  { message: Schema.String }
) {}

/** The manager was asked and refused. `said` is its own text. */
export class ServiceCommandFailed extends Schema.TaggedError<ServiceCommandFailed>()("ServiceCommandFailed", {
  command: Schema.String,
  said: Schema.String
}) {
  override get message() {
    return `\`${this.command}\` failed: ${this.said === "" ? "it said nothing" : this.said}\nFix: look at \`openclaw gateway status\` and at what the service printed, then try again.`
  }
}

/** A value that cannot stand in a definition. */
export class ServiceDefinitionInvalid extends Schema.TaggedError<ServiceDefinitionInvalid>()(
  "ServiceDefinitionInvalid",
  { message: Schema.String }
) {}

/** The file of the definition, or the folder that it belongs in, cannot be used. */
export class ServiceFileUnusable extends Schema.TaggedError<ServiceFileUnusable>()("ServiceFileUnusable", {
  path: Schema.String,
  problem: Schema.String
}) {
  override get message() {
    return `${this.path} ${this.problem}\nFix: look who it belongs to (\`ls -ld\`), and make it yours to write.`
  }
}

export type ServiceError = ServiceCommandFailed | ServiceFileUnusable | ServiceManagerUnavailable

export class ServiceManager extends Context.Service<
  ServiceManager,
  {
    readonly label: "systemd" | "launchd"
    /** What the manager calls the service: `openclaw-gateway.service`, `ai.openclaw.gateway`. */
    readonly id: (name: ServiceName) => string
    /** Shows what the service printed. */
    readonly logCommand: (definition: Pick<ServiceDefinition, "name" | "outputFile">) => string
    /** The last lines that it printed; empty where they cannot be had. */
    readonly recent: (definition: Pick<ServiceDefinition, "name" | "outputFile">) => Effect.Effect<string>
    /** The definition as text. */
    readonly render: (definition: ServiceDefinition) => Effect.Effect<string, ServiceDefinitionInvalid>
    /** What stands on the disk. */
    readonly installed: (name: ServiceName) => Effect.Effect<Option.Option<InstalledService>, ServiceFileUnusable>
    /** Writes the definition at once, and has the service start by itself from now on. Starts nothing. */
    readonly install: (definition: ServiceDefinition) => Effect.Effect<void, ServiceError | ServiceDefinitionInvalid>
    /** Stops the service and takes its definition away. Nothing else is removed; without a service nothing happens. */
    readonly uninstall: (name: ServiceName) => Effect.Effect<void, ServiceError>
    /** Nothing happens to one that runs. */
    readonly start: (name: ServiceName) => Effect.Effect<void, ServiceError>
    /** Waits until it has ended. It starts again by itself with the user's services only. */
    readonly stop: (name: ServiceName) => Effect.Effect<void, ServiceError>
    /** Starts one that does not run. */
    readonly restart: (name: ServiceName) => Effect.Effect<void, ServiceError>
    readonly state: (name: ServiceName) => Effect.Effect<ServiceState, ServiceError>
    /** Whether the user's services run while the user is not logged in; `undefined` where that is no question. */
    readonly lingering: Effect.Effect<boolean | undefined>
  }
>()("openclaw/services/ServiceManager") {}
