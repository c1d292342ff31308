import { createMemoryStore, createSyncClient } from '@onyx-sync/client'
import { createNodeTransport } from '@onyx-sync/client/node'
import { describe, expect, it } from 'vitest'
import { sign, testKey } from '../support/events.js'
import { runDeviceKills } from './device-kills.js'
import { DEVICE_KILLS, report, SEED, SERVER_KILLS, TOTAL_KILLS, withScope } from './plan.js'
import { runServerKills } from './server-kills.js'
import { runDeadConnection, runStoppedDevice, runStoppedServer } from './signals.js'

const timeout = 120_000 + TOTAL_KILLS * 5_000

describe.concurrent('processes that are killed', () => {
  it('[S5][ING5][CRS1][CRS2][VFY1] a server that is killed under load keeps and serves all that got OK, once', {
    timeout,
  }, async (context) => {
    report(context, await withScope((scope) => runServerKills(scope, { seed: SEED, kills: SERVER_KILLS })))
  })

  it('[C1][C2][C7][C8][CRS3] devices that are killed in mid-edit, with a server that is, too, keep and sync every edit once', {
    timeout,
  }, async (context) => {
    report(context, await withScope((scope) => runDeviceKills(scope, { seed: SEED, kills: DEVICE_KILLS })))
  })
})

describe.concurrent('processes that are stopped', () => {
  it('[CRS4] a heartbeat that would ask without end, or never, is refused', async () => {
    const key = testKey(124)
    for (const heartbeat of [
      { afterMs: 0 },
      { timeoutMs: -1 },
      { afterMs: Number.NaN },
      { timeoutMs: 2 ** 31 },
    ]) {
      const opening = createSyncClient({
        store: createMemoryStore(),
        signer: {
          getPublicKey: async () => key.publicKey,
          signEvent: async (template) => sign(key, template),
        },
        url: 'ws://127.0.0.1:1/sync',
        transport: createNodeTransport(),
        heartbeat,
      })
      await expect(opening).rejects.toMatchObject({ code: 'VALUE_INVALID' })
    }
  })

  it('[C9][C8] a device finds out that its server is stopped, and goes on when it does', {
    timeout,
  }, async (context) => {
    report(context, await withScope((scope) => runStoppedServer(scope)))
  })

  it('[C9] a device replaces a connection that is dead', { timeout }, async (context) => {
    report(context, await withScope(runDeadConnection))
  })

  it('[S7] a server drops a device that is stopped, and neither it nor others suffer', {
    timeout,
  }, async (context) => {
    report(context, await withScope((scope) => runStoppedDevice(scope)))
  })
})
