/**
 * The migrations of the state database, in order. One line each: `_<number>_<name>`. A migration that was released is
 * never changed; what follows it is a new one.
 */
export { default as _0001_sessions } from "./0001_sessions.ts"
export { default as _0002_devices } from "./0002_devices.ts"
export { default as _0003_nodes } from "./0003_nodes.ts"
export { default as _0004_channels } from "./0004_channels.ts"
export { default as _0005_outbox } from "./0005_outbox.ts"
export { default as _0006_progress } from "./0006_progress.ts"
export { default as _0007_inbox } from "./0007_inbox.ts"
export { default as _0008_deliveries } from "./0008_deliveries.ts"
export { default as _0009_intake } from "./0009_intake.ts"
export { default as _0010_queue } from "./0010_queue.ts"
export { default as _0011_dead_letters } from "./0011_dead_letters.ts"
export { default as _0012_storage } from "./0012_storage.ts"
export { default as _0013_pruning } from "./0013_pruning.ts"
export { default as _0014_repeats } from "./0014_repeats.ts"
export { default as _0015_session_rows } from "./0015_session_rows.ts"
export { default as _0017_device_tokens } from "./0017_device_tokens.ts"
export { default as _0019_approvals } from "./0019_approvals.ts"
export { default as _0020_pairing_seen } from "./0020_pairing_seen.ts"
export { default as _0021_voice_wake } from "./0021_voice_wake.ts"
export { default as _0022_compaction } from "./0022_compaction.ts"
