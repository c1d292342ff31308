import { describe, it } from 'vitest'
import { runFullDevice, runFullServer } from './full-disk.js'
import { report, withScope } from './plan.js'
import { whyNoSmallDisk } from './small-disk.js'

const timeout = 120_000
const reason = whyNoSmallDisk()
if (reason !== undefined) process.stdout.write(`full disks are not tried: ${reason}\n`)

describe.skipIf(reason !== undefined)('a full disk', () => {
  it('[S4][CRS5] under the server: no OK while it is full, nothing lost, and on it goes with room', {
    timeout,
  }, async (context) => {
    report(context, await withScope((scope) => runFullServer(scope)))
  })

  it('[C15][CRS5] under the device: edits fail with a reason, none is lost or called saved, and on it goes with room', {
    timeout,
  }, async (context) => {
    report(context, await withScope((scope) => runFullDevice(scope)))
  })
})
