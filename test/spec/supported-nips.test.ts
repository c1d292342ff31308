import { readdirSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { describe, expect, it } from 'vitest'
import { runServer } from '../support/servers.js'

const tests = fileURLToPath(new URL('..', import.meta.url))

/** NIPs of servers, with which the name of some group of tests ends: `describe('… (NIP-42)'`. Those of devices stand there without. */
function testedNips(): number[] {
  const nips = new Set<number>()
  for (const path of readdirSync(tests, { recursive: true, encoding: 'utf8' })) {
    if (!path.endsWith('.test.ts')) continue
    for (const [, nip] of readFileSync(join(tests, path), 'utf8').matchAll(
      /\bdescribe\('[^'\n]*\(NIP-(\d+)\)'/g,
    )) {
      nips.add(Number(nip))
    }
  }
  return [...nips].sort((a, b) => a - b)
}

describe('supported_nips', () => {
  it('[WIR8] lists exactly the NIPs that are tested, in order', async () => {
    // With everything that a NIP stands for only where it is asked for: 59, 86 and 98.
    const server = await runServer({ operators: ['ab'.repeat(32)], kinds: { extra: [1059] } })
    const response = await fetch(server.url.replace(/^ws/, 'http'), {
      headers: { Accept: 'application/nostr+json' },
    })
    const { supported_nips } = (await response.json()) as { supported_nips: number[] }
    const hint = 'a NIP is supported when the name of some describe() ends with "(NIP-n)"'
    expect(supported_nips, hint).toEqual(testedNips())
  })
})
