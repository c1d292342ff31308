import { parentPort, workerData } from 'node:worker_threads'
import { CHECK_BYTES, isSigned } from './adapters/verifiers/event-verifier.js'
import { createPureSchnorr } from './adapters/verifiers/pure-schnorr.js'
import type { VerifyReply, VerifyRequest } from './adapters/verifiers/verifier-pool.js'
import { createWasmSchnorr } from './adapters/verifiers/wasm-schnorr.js'

/** A thread that checks signatures: does what `adapters/verifiers/verifier-pool.ts` asks. */
const schnorr = workerData === 'wasm' ? await createWasmSchnorr() : createPureSchnorr()

parentPort?.on('message', ({ batch, bytes }: VerifyRequest) => {
  const valid = new Uint8Array(bytes.byteLength / CHECK_BYTES)
  for (let index = 0; index < valid.length; index++) {
    valid[index] = isSigned(schnorr, bytes, index * CHECK_BYTES) ? 1 : 0
  }
  parentPort?.postMessage({ batch, valid } satisfies VerifyReply)
})
