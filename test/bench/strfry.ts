import { mkdirSync, writeFileSync } from 'node:fs'
import { createServer } from 'node:net'
import { join } from 'node:path'
import { type MeasuredServer, startProgram } from './server-process.js'

/**
 * strfry, a relay in C++ on LMDB, as a process. Everything is as it is by default, but that it logs no refused events and
 * asks nobody to log in. It syncs LMDB before it answers, several events at a time.
 *
 * @param binary its path
 */
export async function startStrfry(binary: string, directory: string): Promise<MeasuredServer> {
  const port = await freePort()
  const data = join(directory, 'db')
  mkdirSync(data, { recursive: true })
  const config = join(directory, 'strfry.conf')
  writeFileSync(
    config,
    `db = "${data}/"
relay {
  bind = "127.0.0.1"
  port = ${port}
  nofiles = 0
  auth { enabled = false }
  logging { invalidEvents = false }
}
`,
  )
  return startProgram(binary, [`--config=${config}`, 'relay'], (output) =>
    output.includes('Started websocket server') ? `ws://127.0.0.1:${port}` : undefined,
  )
}

/** It can't be told to find one by itself. */
function freePort(): Promise<number> {
  return new Promise((resolve, reject) => {
    const server = createServer()
    server.once('error', reject)
    server.listen(0, '127.0.0.1', () => {
      const address = server.address()
      server.close(() => resolve(typeof address === 'object' && address !== null ? address.port : 0))
    })
  })
}
