import { createUpgradingVerifier } from '@onyx-sync/client'

/**
 * Checks signatures with libsecp256k1 as WebAssembly, seven times as fast as JavaScript, from when it is there. It is larger
 * than all scripts together, so it is fetched with the first check, and not where somebody saves data.
 */
export const fastVerifier = createUpgradingVerifier({
  async load() {
    const { connection } = navigator as { readonly connection?: { readonly saveData?: boolean } }
    if (connection?.saveData === true) throw new Error('data is to be saved')
    return (await import('./wasm-verifier.js')).wasmVerifier
  },
})
