/** What `openclaw` exports is what an app needs: a name that comes or goes is somebody's decision. */
import { readFileSync } from "node:fs"
import { fileURLToPath } from "node:url"
import { assert, describe, it } from "@effect/vitest"
import * as OpenClaw from "../../src/index.ts"

const words = (text: string) => text.trim().split(/\s+/)

describe("the package's names", () => {
  it("are these", () => {
    assert.deepStrictEqual(
      Object.keys(OpenClaw.Gateway).sort(),
      words("Gateway ask channel command config database layer layerNode model models node stateDir storage tools")
    )
    assert.deepStrictEqual(
      Object.keys(OpenClaw).sort(),
      words(`
    AccessCodeNotFound AccessRequest AccessStorageFailed AgentRunner AppServerUnusable ApprovalAmbiguous
    ApprovalIdTaken ApprovalNotFound ApprovalRefused ApprovalsUnavailable ApproverLacksScope BindAddressMissing
    BindRefused ChannelAccess ChannelIdInvalid ChannelInterrupted ChannelLogoutFailed ChannelNotConfigured ChannelRouter
    ChannelUnauthorized Channels CommandNotAllowed CompactionResult Config ConfigChanged ConfigInvalid ConfigProblem
    ConfigUnreadable ConnId DatabaseUnusable DeadLetterNotFound DeadLetterNotRetryable DeadLetters
    DeadLettersUnavailable DecisionUnavailable DeliveryFailed DeliveryNotFound DeliveryProgress DeliveryReceipt
    DeliveryStorageFailed DestinationNotAllowed DeviceId DeviceNotFound DeviceRegistry EventBus ExecApprovals Folded
    Gateway GatewayAlreadyRunning IdempotencyConflict InProcessClosed InboundMessage InboxFailed InvalidDestination
    InvokeFailed InvokeTimeout LabelTaken ListenFailed ModelUnavailable Models NodeDisconnected NodeEventReused
    NodeId NodeNotConnected NodeRegistry NodeTurnNotAccepted NodeTurns NothingSaid OpenDelivery OutboundMedia
    OutboundMessage PairingRequestNotFound Peer PortInUse Protocol RegistryStorageFailed RestartRefused RunId
    RunIdConflict SessionBusy SessionChanged SessionKey SessionNotFound SessionRoute SessionStorageFailed Sessions
    SettingInvalid StateDir StateDirUnusable Supervisor TlsUnusable TokenNotGranted ToolApprovalUnsupported ToolCall
    ToolNameTaken TraceNotFound Traces TracesUnavailable TurnMessage TurnNotAccepted TurnOutcome TurnRequest
    TurnUsage Turns VERSION
      `)
    )
  })

  it("have every error that the guide tells of", () => {
    const guide = readFileSync(fileURLToPath(new URL("../../docs/embedding.md", import.meta.url)), "utf8")
    const [, table = ""] = guide.split("## How a start fails")
    const named = [...table.matchAll(/^\| ([^|]*`[^|]*) \|/gm)].flatMap(([, cell = ""]) => cell.match(/\w{3,}/g) ?? [])
    assert.includeMembers(Object.keys(OpenClaw), named)
    assert.isAbove(named.length, 10)
  })
})
