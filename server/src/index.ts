export type { SchnorrChoice as VerifierChoice } from '@onyx-sync/shared/node'
export { type LevelLogOptions, openLevelLog } from './adapters/level/level-log.js'
export { createMemoryLog, type MemoryLogOptions } from './adapters/memory-log.js'
export { createHub, type Hub, type Subscriber } from './core/hub.js'
export { createLocalMerger } from './core/local-merger.js'
export { createRelay, type Relay, type RelayOptions } from './core/relay.js'
export type { Session } from './core/session.js'
export { type VerifyOptions, type VerifyReport, verifyLog } from './core/verify.js'
export {
  FAULT_KINDS,
  type Fault,
  type FaultKind,
  type VerifyCounts,
  type VerifyProgress,
} from './core/verify-findings.js'
export * from './ports/event-log.js'
export * from './ports/inspectable-log.js'
export { type Merger, MergerLost } from './ports/merger.js'
export * from './ports/operable-log.js'
export type { Peer } from './ports/peer.js'
export type { RelayVerifier } from './ports/spread-verifier.js'
export { createSyncServer, type SyncServer } from './server.js'
export type { SyncServerOptions } from './server-options.js'
export { VERSION } from './version.js'
