/**
 * One account's settings and what is known of its state.
 */
import * as Effect from "effect/Effect"
import type * as Redacted from "effect/Redacted"
import type { ChannelAccountStatus } from "../../protocol/methods/system.ts"
import { now } from "../now.ts"

/** Where a token came from, in OpenClaw's words. */
export type TokenSource = "config" | "tokenFile" | "env" | "none"

export interface TelegramAccount {
  readonly accountId: string
  readonly name?: string
  /** Bot API root without `/bot<token>`. */
  readonly apiRoot: string
  /** `undefined` when there is none; `tokenProblem` then says how to give one. */
  readonly token: Redacted.Redacted | undefined
  readonly tokenProblem?: string
  readonly tokenSource: TokenSource
  /** Milliseconds for one call; 30,000 when left out. */
  readonly timeoutMs?: number
}

type Row = { -readonly [K in keyof ChannelAccountStatus]: ChannelAccountStatus[K] }

/** The account's row in `channels.status`. */
export class AccountState {
  private readonly row: Row

  constructor(account: TelegramAccount) {
    this.row = {
      accountId: account.accountId,
      ...(account.name === undefined ? undefined : { name: account.name }),
      enabled: true,
      configured: account.token !== undefined,
      running: false,
      connected: false,
      reconnectAttempts: 0,
      lastConnectedAt: null,
      lastError: account.tokenProblem ?? null,
      lastStartAt: null,
      lastStopAt: null,
      lastInboundAt: null,
      lastOutboundAt: null,
      mode: "polling",
      tokenSource: account.tokenSource
    }
  }

  private at(change: (now: number) => void): Effect.Effect<void> {
    return Effect.map(now, change)
  }

  readonly started: Effect.Effect<void> = this.at((now) => {
    this.row.running = true
    this.row.lastStartAt = now
    this.row.healthState = "starting"
  })

  readonly connected: Effect.Effect<void> = this.at((now) => {
    this.row.connected = true
    this.row.lastConnectedAt = now
    this.row.lastError = null
    this.row.reconnectAttempts = 0
    this.row.healthState = "healthy"
  })

  readonly received: Effect.Effect<void> = this.at((now) => (this.row.lastInboundAt = now))
  readonly sent: Effect.Effect<void> = this.at((now) => (this.row.lastOutboundAt = now))

  readonly stopped: Effect.Effect<void> = this.at((now) => {
    this.row.running = false
    this.row.connected = false
    this.row.lastStopAt = now
    if (this.row.healthState === "healthy" || this.row.healthState === "starting") this.row.healthState = "stopped"
  })

  failed(message: string, final: boolean): Effect.Effect<void> {
    return Effect.sync(() => {
      this.row.lastError = message
      this.row.connected = false
      this.row.reconnectAttempts = (this.row.reconnectAttempts ?? 0) + (final ? 0 : 1)
      this.row.healthState = final ? "unauthorized" : "reconnecting"
    })
  }

  /** Another program polls with the same token; `connected` says whether some polls get through. */
  contested(message: string, connected: boolean): Effect.Effect<void> {
    return this.at((now) => {
      this.row.lastError = message
      this.row.connected = connected
      if (connected) this.row.lastConnectedAt = now
      this.row.healthState = "conflict"
    })
  }

  /** Another account or Gateway receives for the bot. */
  standby(why: string): Effect.Effect<void> {
    return Effect.sync(() => {
      this.row.lastError = why
      this.row.healthState = "standby"
    })
  }

  readonly status: Effect.Effect<ChannelAccountStatus> = Effect.sync(() => ({ ...this.row }))
}
