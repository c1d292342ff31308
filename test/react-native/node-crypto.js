// The one function of node:crypto that the simulated world's quick keys need.
import { sha256 } from '@noble/hashes/sha2.js'
import { bytesToHex, concatBytes, utf8ToBytes } from '@noble/hashes/utils.js'

export function createHash() {
  const parts = []
  const hash = {
    update(data) {
      parts.push(typeof data === 'string' ? utf8ToBytes(data) : data)
      return hash
    },
    digest: () => bytesToHex(sha256(concatBytes(...parts))),
  }
  return hash
}
