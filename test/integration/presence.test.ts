import { type ChildProcess, spawn } from 'node:child_process'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { bytesToHex } from '@onyx-sync/shared'
import { afterEach, describe, expect, it } from 'vitest'
import { chatAddressText, testKey } from '../support/events.js'
import { startServer } from '../support/processes.js'
import { temporaryDirectory } from '../support/temporary-directory.js'

const CHILD = fileURLToPath(new URL('./children/presence.mjs', import.meta.url))
/**
 * A device gives up somebody of whom it hears nothing for 30 s, and hears of everybody each 15 s: what it sees
 * sooner it was told.
 */
const AT_ONCE_MS = 14_000
const START_MS = 60_000

const children: ChildProcess[] = []

afterEach(() => {
  for (const child of children.splice(0)) child.kill('SIGKILL')
})

/** A device in a process of its own. `sees` waits until exactly these are there. */
function startDevice(url: string, name: string) {
  const key = testKey(1)
  const args = [CHILD, url, bytesToHex(key.secretKey), chatAddressText(key), name]
  const child = spawn(process.execPath, args, { stdio: ['ignore', 'pipe', 'inherit'] })
  children.push(child)
  let output = ''
  let look = () => {}
  child.stdout.on('data', (chunk) => {
    output += chunk
    look()
  })
  const sees = (names: string, withinMs = START_MS) =>
    new Promise<void>((resolve, reject) => {
      const late = setTimeout(() => reject(new Error(`${name} saw: ${output}`)), withinMs)
      look = () => {
        if (output.trimEnd().split('\n').at(-1) !== names) return
        clearTimeout(late)
        resolve()
      }
      look()
    })
  return { child, sees }
}

describe('a device in a process of its own', () => {
  it('[PRS24] that is killed is gone for the others at once', async () => {
    const server = await startServer(join(temporaryDirectory(), 'data'))
    const laptop = startDevice(server.url, 'laptop')
    await laptop.sees('laptop')
    const phone = startDevice(server.url, 'phone')
    await phone.sees('laptop phone')
    await laptop.sees('laptop phone')
    phone.child.kill('SIGKILL')
    await laptop.sees('laptop', AT_ONCE_MS)
    // And one that comes new.
    const desk = startDevice(server.url, 'desk')
    await laptop.sees('desk laptop')
    await desk.sees('desk laptop')
    expect(await server.stop('SIGTERM')).toBe(0)
  })
})
