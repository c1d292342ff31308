// Node's bytes, with which tests compare. The packages are loaded before it is there: they have to do without.
import '@onyx-sync/client'
import { Buffer } from 'buffer/index.js'

globalThis.Buffer = Buffer
