import { execFile } from 'node:child_process'
import { existsSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { fileURLToPath, pathToFileURL } from 'node:url'
import { promisify } from 'node:util'
import { afterEach, describe, expect, it, vi } from 'vitest'
import { startServer, terminalDevice } from '../support/processes.js'
import { temporaryDirectory } from '../support/temporary-directory.js'

const HOOK = new URL('./children/without-packages.mjs', import.meta.url)
const CLIENT = pathToFileURL(fileURLToPath(new URL('../../client/dist/node.js', import.meta.url))).href

afterEach(() => {
  vi.unstubAllEnvs()
})

/** From here on processes of this test find neither koffi nor tiny-secp256k1. Gives the names of those asked for. */
function takeAwayPackages(): () => string[] {
  const file = join(temporaryDirectory(), 'asked-for')
  vi.stubEnv('ASKED_FOR', file)
  vi.stubEnv('NODE_OPTIONS', `--import=${HOOK.href}`)
  return () => (existsSync(file) ? [...new Set(readFileSync(file, 'utf8').trim().split('\n'))].sort() : [])
}

describe('where neither koffi nor tiny-secp256k1 is installed', () => {
  it('[SIG7][SIG8] a device on Node checks and signs with JavaScript, whatever was chosen', async () => {
    const askedFor = takeAwayPackages()
    const script = `
      const { createNodeSigner, createNodeVerifier } = await import('${CLIENT}')
      const told = []
      const tell = (level) => (message) => told.push(level + ' ' + message)
      const logger = { debug: tell('debug'), info: tell('info'), warn: tell('warn'), error: tell('error') }
      const event = { kind: 1, created_at: 1764000000, tags: [], content: 'hello' }
      const names = []
      for (const choice of ['auto', 'native', 'wasm', 'pure']) {
        const signer = await createNodeSigner(new Uint8Array(32).fill(7), { choice, logger })
        const verifier = await createNodeVerifier({ choice, logger })
        verifier.verify(await signer.signEvent(event))
        names.push(signer.name, verifier.name)
      }
      console.log(JSON.stringify({ names, told }))`
    const args = ['--input-type=module', '--eval', script]
    const { stdout } = await promisify(execFile)(process.execPath, args)
    const { names, told } = JSON.parse(stdout) as { names: string[]; told: string[] }
    expect(names).toEqual(new Array(8).fill('noble (JavaScript)'))
    // A warning where one was asked for by name; `auto` only tells.
    const warnings = told.filter((line) => line.startsWith('warn'))
    expect(warnings.map((line) => / the (\w+ \w+) is not to be had/.exec(line)?.[1])).toEqual([
      ...['native signer', 'wasm signer', 'native verifier', 'wasm verifier'],
      ...['wasm signer', 'wasm verifier'],
    ])
    expect(askedFor()).toEqual(['koffi', 'tiny-secp256k1'])
  })

  it('[SIG7][SIG8] the terminal device asks for them when it syncs, and does without', async () => {
    const directory = temporaryDirectory()
    const server = await startServer(join(directory, 'data'))
    const askedFor = takeAwayPackages()
    const phone = terminalDevice(join(directory, 'phone.db'))
    await phone('init')
    expect(askedFor()).toEqual([])
    await phone('chat', 'new', '--id', 'oslo')
    await phone('chat', 'send', 'oslo', 'Rain?')
    expect(await phone('sync', '--url', server.url)).toMatchObject({ ok: true, unsent: 0 })
    expect(askedFor()).toEqual(['koffi', 'tiny-secp256k1'])
    await server.stop('SIGTERM')
  })
})
