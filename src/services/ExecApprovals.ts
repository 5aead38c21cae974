/**
 * Commands that wait for a person's word: who asked, what exactly would run, what was decided, and whether an approval that
 * somebody shows still counts.
 *
 * Each is a row in the state database from the moment it is asked for, so a question and its answer outlive the process. The
 * words are the wire's (`protocol/methods/approvals.ts`).
 */
import * as Context from "effect/Context"
import type * as Effect from "effect/Effect"
import * as Schema from "effect/Schema"
import type * as Scope from "effect/Scope"
import type {
  ApprovalDecision,
  ApprovalRequest,
  ApprovalSnapshot,
  SystemRunPlan
} from "../protocol/methods/approvals.ts"

/** No approval has this id, or none that waits begins with it. */
export class ApprovalNotFound extends Schema.TaggedError<ApprovalNotFound>()("ApprovalNotFound", {
  id: Schema.String
}) {
  override get message() {
    return "unknown or expired approval id"
  }
}

/** Several that wait begin with this text. */
export class ApprovalAmbiguous extends Schema.TaggedError<ApprovalAmbiguous>()("ApprovalAmbiguous", {
  id: Schema.String
}) {
  override get message() {
    return "ambiguous approval id prefix; use the full id"
  }
}

/** An approval has this id already, whatever became of it. */
export class ApprovalIdTaken extends Schema.TaggedError<ApprovalIdTaken>()("ApprovalIdTaken", { id: Schema.String }) {
  override get message() {
    return "approval id already pending"
  }
}

/** This decision is not among those that the request allows. */
export class DecisionUnavailable extends Schema.TaggedError<DecisionUnavailable>()("DecisionUnavailable", {
  id: Schema.String,
  decision: Schema.String
}) {
  override get message() {
    return `${this.decision} is unavailable for this command`
  }
}

/** An approval that was shown does not allow what is to be run. `code` and `message` are OpenClaw's. */
export class ApprovalRefused extends Schema.TaggedError<ApprovalRefused>()("ApprovalRefused", {
  code: Schema.String,
  message: Schema.String
}) {}

/** Approvals cannot be read or written now; nothing was changed. */
export class ApprovalsUnavailable extends Schema.TaggedError<ApprovalsUnavailable>()("ApprovalsUnavailable", {
  message: Schema.String
}) {}

/** Who asks. A connection that goes takes nothing back, but only it, or its device, may use what was approved. */
export interface Asker {
  readonly connId?: string
  readonly deviceId?: string
}

/** Who decided. */
export type Resolver = NonNullable<ApprovalSnapshot["resolver"]>

/** One approval as it is kept. Times are Unix milliseconds. */
export interface Approval {
  readonly id: string
  readonly request: ApprovalRequest
  readonly status: ApprovalSnapshot["status"]
  readonly decision: ApprovalDecision | undefined
  readonly reason: ApprovalSnapshot["reason"]
  readonly resolver: Resolver | undefined
  readonly createdAtMs: number
  readonly expiresAtMs: number
  readonly resolvedAtMs: number | undefined
  readonly asker: Asker
  readonly runId: string | undefined
  readonly spentBy: string | undefined
  readonly delivery: Delivery
  readonly digest: string | undefined
}

/**
 * Who is told of it besides those who list what waits: everybody who decides, only clients that show approvals, or nobody.
 */
export type Delivery = "all" | "clients" | "none"

export interface NewApproval {
  readonly id?: string | undefined
  readonly request: Omit<ApprovalRequest, "allowedDecisions">
  readonly allowedDecisions: ReadonlyArray<ApprovalDecision>
  readonly timeoutMs: number
  readonly asker: Asker
  /** The turn that waits for it; it is cancelled when that turn ends. */
  readonly runId?: string
  /** The node's own of what it prepared: told to nobody, kept to see whether that changed. */
  readonly digest?: string | undefined
  /** `all` when left out. */
  readonly delivery?: Delivery | undefined
  /** It waits also where nobody could be told, for somebody who lists what waits. */
  readonly waitsUntold?: boolean | undefined
}

/** How those who decide are told: `undefined` where nobody can be. */
export type Route = (approval: {
  readonly asker: Asker
  readonly delivery: Delivery
}) => Effect.Effect<string | undefined>

/** A run that claims to be approved. */
export interface Claim {
  readonly approvalId: string
  readonly decision: string | undefined
  readonly nodeId: string
  readonly asker: Asker
  /** What is to run, as its caller says: must be the plan that was approved. */
  readonly argv: ReadonlyArray<string>
  readonly rawCommand: string | undefined
  readonly cwd: string | undefined
  readonly agentId: string | undefined
  readonly sessionKey: string | undefined
  readonly env: Readonly<Record<string, string>> | undefined
  /** An `allow-once` is for the run with this idempotency key. */
  readonly key: string
}

export interface Granted {
  readonly plan: SystemRunPlan
  readonly decision: "allow-once" | "allow-always"
}

export interface HistoryPage {
  readonly items: ReadonlyArray<Approval>
  readonly next: { readonly resolvedAtMs: number; readonly id: string } | undefined
}

export class ExecApprovals extends Context.Service<
  ExecApprovals,
  {
    /**
     * Keeps a new one and tells those who decide. `route` says how they are told; where nobody can be it is `undefined`, and
     * the request is denied at once (`no-route`), unless it waits untold.
     */
    readonly request: (
      options: NewApproval
    ) => Effect.Effect<
      { readonly approval: Approval; readonly route: string | undefined },
      ApprovalIdTaken | ApprovalsUnavailable
    >
    /** Waits until it was decided, ran out or was cancelled. */
    readonly await: (id: string) => Effect.Effect<Approval, ApprovalNotFound | ApprovalsUnavailable>
    /** By its whole id, whatever became of it. */
    readonly find: (id: string) => Effect.Effect<Approval, ApprovalNotFound | ApprovalsUnavailable>
    /**
     * One that waits, by its id or, where none has that id, by the beginning of it, whatever the case. Those that are not
     * `visible` do not count.
     */
    readonly pick: (
      idOrPrefix: string,
      visible?: (approval: Approval) => boolean
    ) => Effect.Effect<Approval, ApprovalNotFound | ApprovalAmbiguous | ApprovalsUnavailable>
    /** Those that wait, oldest first. */
    readonly pending: Effect.Effect<ReadonlyArray<Approval>, ApprovalsUnavailable>
    /** Those that do not, newest first. */
    readonly history: (options: {
      readonly limit: number
      readonly before?: { readonly resolvedAtMs: number; readonly id: string }
    }) => Effect.Effect<HistoryPage, ApprovalsUnavailable>
    /** Decides. `applied` is `false`, and nothing changes, when it was decided before. `reason` is `user` when left out. */
    readonly resolve: (
      id: string,
      decision: ApprovalDecision,
      by: Resolver,
      reason?: "user" | "malformed-verdict"
    ) => Effect.Effect<
      { readonly applied: boolean; readonly approval: Approval },
      ApprovalNotFound | DecisionUnavailable | ApprovalsUnavailable
    >
    /**
     * The same as part of the caller's transaction, if there is one. `carryOut`, run after the commit, tells whoever waits
     * and everybody.
     */
    readonly decide: (
      id: string,
      decision: ApprovalDecision,
      by: Resolver,
      reason?: "user" | "malformed-verdict"
    ) => Effect.Effect<
      { readonly applied: boolean; readonly approval: Approval; readonly carryOut: Effect.Effect<void> },
      ApprovalNotFound | DecisionUnavailable | ApprovalsUnavailable
    >
    /** Takes back what a run asked for and nobody has decided. */
    readonly withdraw: (runId: string) => Effect.Effect<void, ApprovalsUnavailable>
    /**
     * Whether a run is what was approved, by whom it was asked for, on that node, in time, and not run before. Notes the run, so
     * that an `allow-once` counts for no other. The same key again is the same run: for a turn always, for a client until
     * this process ends, because it alone knows what that run answered.
     */
    readonly spend: (claim: Claim) => Effect.Effect<Granted, ApprovalRefused | ApprovalsUnavailable>
    /** Adds a way to those who decide until the scope closes; the first that answers with a name counts. */
    readonly addRoute: (route: Route) => Effect.Effect<void, never, Scope.Scope>
  }
>()("openclaw/services/ExecApprovals") {}
