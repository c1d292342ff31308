import { readFileSync } from 'node:fs'
import { describe, expect, it } from 'vitest'
import { runDeviceKills } from './device-kills.js'
import { FAULTS } from './fault-list.mjs'
import { runFullDevice, runFullServer } from './full-disk.js'
import { SEED, withScope } from './plan.js'
import { runServerKills } from './server-kills.js'
import { runStoppedDevice, runStoppedServer } from './signals.js'
import { whyNoSmallDisk } from './small-disk.js'
import { runTerminalKills } from './terminal-kills.js'

/** `ONYX_CRASH_FAULTS=all` tries every fault; else two, which tell in seconds whether the suite is awake. */
const isThorough = process.env.ONYX_CRASH_FAULTS === 'all'
const timeout = 300_000

/** Kills within which a fault is seen many times over; a run ends with the first. */
const SERVER_FAULTS = [
  { ids: '[S5][ING5]', fault: 'ok-before-write', kills: 150, seen: /\[(S5|S5\]\[ING5)\]/, isQuick: true },
  { ids: '[CRS1][CRS2]', fault: 'stored-again', kills: 12, seen: /\[CRS[12]\]/, isQuick: false },
]
const DEVICE_FAULTS = [
  // What never reached the server leaves gaps in others' documents, and their tables wait: C1 can come first.
  { ids: '[C8]', fault: 'outbox-lost', kills: 150, seen: /\[(C1|C8)\]/, isQuick: true },
  { ids: '[C1][C7]', fault: 'edit-early', kills: 60, seen: /\[(C1\]\[C7|C8)\]/, isQuick: false },
  { ids: '[C1]', fault: 'rows-apart', kills: 60, seen: /\[C1\]/, isQuick: false },
  { ids: '[C2]', fault: 'signed-again', kills: 30, seen: /\[C2\]/, isQuick: false },
  { ids: '[C8]', fault: 'saved-early', kills: 100, seen: /\[C8\]/, isQuick: false },
]

/** Of the terminal command. */
const TERMINAL_FAULTS = [
  {
    ids: '[CRS6]',
    fault: 'output-early',
    kills: 100,
    seen: /\[C1\]\[C7\]|\[C8\]|unsent instead of/,
    isQuick: true,
  },
  { ids: '[CRS6]', fault: 'lock-stays', kills: 20, seen: /\[CRS6\].*there is a lock/, isQuick: false },
  { ids: '[C1][CRS6]', fault: 'rows-apart', kills: 100, seen: /\[(C1|CRS6)\]/, isQuick: false },
  { ids: '[C8][CRS6]', fault: 'outbox-lost', kills: 20, seen: /\[(C8|CRS6)\]/, isQuick: false },
  { ids: '[C8]', fault: 'saved-early', kills: 100, seen: /\[C8\]/, isQuick: false },
]

describe('the suite sees', () => {
  it('[CRS6] nothing that it can not put in: every fault still finds its place in the build', () => {
    const lost = Object.entries(FAULTS).flatMap(([name, changes]) =>
      changes
        .filter(
          ([file, pattern]) => !pattern.test(readFileSync(new URL(`../../${file}`, import.meta.url), 'utf8')),
        )
        .map(([file]) => `${name} in ${file}`),
    )
    expect(lost).toEqual([])
  })

  for (const { ids, fault, kills, seen, isQuick } of SERVER_FAULTS) {
    it.runIf(isQuick || isThorough)(`${ids} that a server has the fault ${fault}`, { timeout }, async () => {
      const seed = `${SEED}/${fault}`
      const run = withScope((scope) => runServerKills(scope, { seed, kills, fault }))
      await expect(run).rejects.toThrow(seen)
    })
  }

  for (const { ids, fault, kills, seen, isQuick } of DEVICE_FAULTS) {
    it.runIf(isQuick || isThorough)(`${ids} that a device has the fault ${fault}`, { timeout }, async () => {
      const seed = `${SEED}/${fault}`
      const run = withScope((scope) => runDeviceKills(scope, { seed, kills, deviceFault: fault }))
      await expect(run).rejects.toThrow(seen)
    })
  }

  for (const { ids, fault, kills, seen, isQuick } of TERMINAL_FAULTS) {
    it.runIf(isQuick || isThorough)(
      `${ids} that the command has the fault ${fault}`,
      { timeout },
      async () => {
        const seed = `${SEED}/${fault}`
        const run = withScope((scope) => runTerminalKills(scope, { seed, kills, fault }))
        await expect(run).rejects.toThrow(seen)
      },
    )
  }

  it.runIf(isThorough)('[C9] that a device has the fault no-ping', { timeout }, async () => {
    await expect(withScope((scope) => runStoppedServer(scope, 'no-ping'))).rejects.toThrow(/\[C9\]/)
  })

  it.runIf(isThorough)('[S7] that a server has the fault keeps-all', { timeout }, async () => {
    await expect(withScope((scope) => runStoppedDevice(scope, 'keeps-all'))).rejects.toThrow(/\[S7\]/)
  })

  it.runIf(isThorough && whyNoSmallDisk() === undefined)(
    '[S4] that a server has the fault full-disk-ok',
    { timeout },
    async () => {
      await expect(withScope((scope) => runFullServer(scope, 'full-disk-ok'))).rejects.toThrow(/\[S4\]/)
    },
  )

  it.runIf(isThorough && whyNoSmallDisk() === undefined)(
    '[C15] that a device has the fault failed-write-dropped',
    { timeout },
    async () => {
      await expect(withScope((scope) => runFullDevice(scope, 'failed-write-dropped'))).rejects.toThrow(
        /\[C15\]/,
      )
    },
  )
})
