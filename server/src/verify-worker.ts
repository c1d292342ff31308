import { parentPort, workerData } from 'node:worker_threads'
import { CHECK_BYTES, createPureSchnorr, createWasmSchnorr, isSigned } from '@onyx-sync/shared/node'
import type { VerifyReply, VerifyRequest } from './adapters/verifier-pool.js'

/** A thread that checks signatures: does what `adapters/verifier-pool.ts` asks. */
const schnorr = workerData === 'wasm' ? await createWasmSchnorr() : createPureSchnorr()

parentPort?.on('message', ({ batch, bytes }: VerifyRequest) => {
  const valid = new Uint8Array(bytes.byteLength / CHECK_BYTES)
  for (let index = 0; index < valid.length; index++) {
    valid[index] = isSigned(schnorr, bytes, index * CHECK_BYTES) ? 1 : 0
  }
  parentPort?.postMessage({ batch, valid } satisfies VerifyReply)
})
