import { execFile } from 'node:child_process'
import { readFileSync, symlinkSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { describe, expect, it } from 'vitest'
import { startServer } from '../support/processes.js'
import { temporaryDirectory } from '../support/temporary-directory.js'

const root = fileURLToPath(new URL('../..', import.meta.url))

/** Runs the example in a directory with these lines to read. */
function run(directory: string, lines: string, env: NodeJS.ProcessEnv = {}) {
  return new Promise<{ code: number | null; stdout: string; stderr: string }>((resolve) => {
    const options = { cwd: directory, env: { ...process.env, ...env } }
    const child = execFile(process.execPath, ['chat.mjs'], options, (_error, stdout, stderr) => {
      resolve({ code: child.exitCode, stdout, stderr })
    })
    child.stdin?.end(lines)
  })
}

describe("the README's chat", () => {
  const [, source = ''] = /```js\n([\s\S]*?)\n```/.exec(readFileSync(join(root, 'README.md'), 'utf8')) ?? []

  function install(): string {
    const directory = temporaryDirectory()
    symlinkSync(join(root, 'node_modules'), join(directory, 'node_modules'))
    writeFileSync(join(directory, 'chat.mjs'), source)
    return directory
  }

  it('has 60 lines at most', () => {
    expect(source.split('\n').length).toBeLessThanOrEqual(60)
    expect(source).toContain('createSyncClient')
  })

  it('works offline as it stands, remembers, and is saved when there is a server', async () => {
    const phone = install()
    const first = await run(phone, 'Hello\nSecond line\n')
    expect(first).toMatchObject({
      code: 0,
      stdout: 'assistant: You said: Hello\nassistant: You said: Second line\n',
    })
    expect(first.stderr).toContain('[offline, ')
    expect(first.stderr).toMatch(/\d+ edits not saved yet\n/)

    const server = await startServer(join(temporaryDirectory(), 'data'))
    const second = await run(phone, 'Third\n', { SYNC_URL: server.url })
    expect(second.stdout).toBe(
      [
        'user: Hello (complete)',
        'assistant: You said: Hello (complete)',
        'user: Second line (complete)',
        'assistant: You said: Second line (complete)',
        'assistant: You said: Third',
        '',
      ].join('\n'),
    )
    expect(second.stderr).toMatch(/\[live, /)
    expect(second.stderr).toContain('everything is saved\n')
    await server.stop('SIGTERM')
  })
})
