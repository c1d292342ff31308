import type { HoldChoice } from '@onyx-sync/client'
import { createSummaryTemplate, type DocumentSummary, type NostrEvent } from '@onyx-sync/shared'
import { describe, expect, it } from 'vitest'
import { chatAddressText, chatEvent, settingsEvent, sign, testKey } from '../support/events.js'
import { openScripted, type ScriptedLink, type ScriptedServer } from '../support/scripted-server.js'

const owner = testKey(1)
const server = testKey(8)
const info = async () => ({ yjs_sync: 1, yjs_summaries: 1, self: server.publicKey })
const hold: HoldChoice = { ids: ['wanted'] }

function summary(id: string): DocumentSummary {
  const address = chatAddressText(owner, id)
  return {
    ...{ address, title: id, createdAt: 1, lastActivity: 2, messages: 1, bytes: 3 },
    ...{ archived: false, deleted: false },
  }
}

function summaries(...ids: readonly string[]): NostrEvent {
  return sign(server, createSummaryTemplate({ documents: ids.map(summary), createdAt: 1_764_000_000 }))
}

/** Lists `wanted` and another chat; `bodies` says what comes when bodies are asked for. */
function lists(bodies: (link: ScriptedLink) => void, list = () => summaries('wanted', 'other')) {
  return {
    info,
    onReq(link: ScriptedLink, id: string) {
      if (id === 'list') link.send('EVENT', id, list())
      if (id === 'bodies') bodies(link)
      link.send('EOSE', id, ['finish', `cursor:${id === 'sync' ? 'c1' : id}`])
    },
  }
}

const asked = (scripted: ScriptedServer, subscription: string) =>
  scripted
    .received('REQ')
    .filter(([, id]) => id === subscription)
    .map(([, , ...filters]) => filters as Record<string, unknown>[])

describe('what a device says about what it holds', () => {
  it('[HLD5] the cursor stands still while a chat is brought, and goes on with it among those asked for', async () => {
    const wanted = chatEvent(owner, { chatId: 'wanted' })
    const script = lists((link) => {
      // What is on its way when the subscription ends, and would move the cursor beyond what is brought.
      link.send('EVENT', 'sync', settingsEvent(owner, 'theme', 'dark'), 'c9')
      link.send('EVENT', 'bodies', wanted)
    })
    const { clock, client, server: scripted } = await openScripted(owner, { hold, script })
    client.connect()
    await clock.advance(2_000)
    expect(asked(scripted, 'list')).toEqual([[{ kinds: [30001], after: '', summaries: true }]])
    expect(asked(scripted, 'bodies')).toEqual([[{ kinds: [30001], '#d': ['wanted'], after: '' }]])
    const rest = { after: 'c1', states: false }
    expect(asked(scripted, 'sync')).toEqual([
      [{ kinds: [10001, 1, 5, 20001], after: '' }],
      [
        { kinds: [10001, 1, 5, 20001], ...rest },
        { kinds: [30001], '#d': ['wanted'], ...rest },
      ],
    ])
    const ended = scripted.received('CLOSE').map(([, id]) => id)
    expect(ended).toEqual(['sync', 'bodies'])
    expect(client.status).toMatchObject({ isCaughtUp: true, cursor: 'c1', documents: 2 })
    expect((await client.settings.read()).preferences).toEqual({})
  })

  it('[HLD2] a summary that the server did not sign ends the connection, and after three no more are asked for', async () => {
    const forged = { ...summaries('wanted'), content: '[]' }
    const script = lists(
      () => {},
      () => forged,
    )
    const { clock, client, server: scripted } = await openScripted(owner, { hold, script })
    client.connect()
    await clock.advance(120_000)
    expect(asked(scripted, 'list')).toHaveLength(3)
    expect(await client.chats.list()).toEqual([])
    expect(client.status).toMatchObject({ isCaughtUp: true, problem: undefined })
  })

  it('[HLD11][CAT13] a device that believes only authors holds all, and asks for no list', async () => {
    const script = {
      ...lists(() => {}),
      onReq: (link: ScriptedLink, id: string) => link.send('EOSE', id, ['finish', 'cursor:c1']),
    }
    const { clock, client, server: scripted } = await openScripted(owner, { hold, script, trust: 'authors' })
    client.connect()
    await clock.advance(2_000)
    expect(asked(scripted, 'list')).toEqual([])
    expect(asked(scripted, 'sync')).toEqual([
      [{ kinds: [30001, 10001, 1, 5, 20001], after: '', states: false }],
    ])
    expect(client.status).toMatchObject({ isCaughtUp: true, problem: undefined })
  })
})
