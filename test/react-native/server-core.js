// The server without its adapters: what the simulated world needs of it. None of it needs Node.
export { createMemoryLog } from '../../server/dist/adapters/memory-log.js'
export { createHub } from '../../server/dist/core/hub.js'
export { createLocalMerger } from '../../server/dist/core/local-merger.js'
export { createRelay } from '../../server/dist/core/relay.js'
export { verifyLog } from '../../server/dist/core/verify.js'
export { MergerLost } from '../../server/dist/ports/merger.js'
