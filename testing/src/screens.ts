import type { MessagesView, MessageWindow, SyncClient, View } from '@onyx-sync/client'
import { getOrCreate } from '@onyx-sync/shared'
import { readMessages } from './fingerprint.js'
import type { SeededRandom } from './seeded-random.js'
import type { World, WorldDevice } from './world.js'

/**
 * What apps show. A screen stays until its client is closed or killed, as long as nobody looks at another one; nothing may be shown
 * twice at any moment, and at rest each shows what is there.
 */
export interface Screens {
  /** Shows a chat on a device, in a window of some messages; the list of chats with the first of them. */
  show(device: WorldDevice, client: SyncClient, chat: string, random: SeededRandom): void
  /** What was wrong at some moment. */
  readonly problems: readonly string[]
  /** What is shown wrongly now. */
  check(world: World): Promise<string[]>
}

type Chat = Awaited<ReturnType<SyncClient['chats']['open']>>

interface Shown {
  readonly list: View<unknown>
  readonly windows: { readonly chat: string; readonly view: MessagesView }[]
  readonly opened: Chat[]
}

function idsOf(window: MessageWindow | undefined): string[] {
  return window?.messages.map(({ id }) => id) ?? []
}

export function createScreens(): Screens {
  const problems: string[] = []
  const shown = new Map<SyncClient, Shown>()

  function showList(client: SyncClient): Shown {
    const list = client.chats.watch({ includeDeleted: true })
    list.subscribe(() => {})
    return { list, windows: [], opened: [] }
  }

  /** What was shown stays, as long as it is in the chat. */
  async function noteMoved(
    { name, disk }: WorldDevice,
    chat: string,
    gone: readonly string[],
  ): Promise<void> {
    const rows = await disk.contents.loadRows('messages', { column: 'address', equals: chat })
    const moved = rows.filter(({ message_id }) => gone.includes(String(message_id)))
    if (moved.length > 0)
      problems.push(`${name} shows ${gone.join(', ')} of ${chat} no more, which are there`)
  }

  return {
    problems,
    show(device, client, chat, random) {
      const screens = getOrCreate(shown, client, () => showList(client))
      try {
        const around = random.chance(0.3) ? { around: random.below(10) } : {}
        const view = client.chats.messages(chat, { last: 1 + random.below(4), ...around })
        screens.windows.push({ chat, view })
        let before: MessageWindow | undefined
        view.subscribe(() => {
          const now = view.getSnapshot()
          const ids = now?.messages.map(({ id }) => id) ?? []
          if (new Set(ids).size < ids.length) problems.push(`${device.name} shows a message of ${chat} twice`)
          // A chat that was empty, or not here, begins anew.
          const gone = now?.isHeld && ids.length > 0 ? idsOf(before).filter((id) => !ids.includes(id)) : []
          before = now
          if (gone.length > 0) void noteMoved(device, chat, gone)
          if (random.chance(0.1)) view.loadOlder(1 + random.below(3))
          if (random.chance(0.1)) view.loadNewer(1 + random.below(3))
          if (random.chance(0.1)) view.load().catch(() => {})
        })
      } catch {
        // It has not heard of that chat.
        return
      }
      if (random.chance(0.5)) {
        client.chats.open(chat).then(
          (opened) => {
            screens.opened.push(opened)
            opened.subscribe(() => {
              const ids = opened.messages.map(({ id }) => id)
              if (new Set(ids).size < ids.length)
                problems.push(`${device.name} shows a message of ${chat}, which is open, twice`)
            })
          },
          () => {},
        )
      }
    },
    async check({ devices, clock }) {
      const found: string[] = []
      for (const { name, client, disk } of devices) {
        const screens = client && shown.get(client)
        if (screens === undefined) continue
        const list = await clock.until(screens.list.load())
        if (JSON.stringify(screens.list.getSnapshot()) !== JSON.stringify(list))
          found.push(
            `${name} shows another list than it has: ${JSON.stringify([screens.list.getSnapshot(), list])}`,
          )
        const rows = await disk.contents.loadRows('messages')
        const chats = new Map((await disk.contents.loadRows('chats')).map((row) => [row.id, row]))
        for (const { chat, view } of screens.windows) {
          const ofChat = rows
            .filter((row) => row.address === chat)
            .sort((a, b) => Number(a.position) - Number(b.position))
            .map((row) => [row.message_id, row.content, row.status])
          const snapshot = view.getSnapshot()
          const { messages = [], start = 0, total } = snapshot ?? {}
          const window = messages.map(({ id, content, status }) => [id, content, status])
          const expected = ofChat.slice(start, start + window.length)
          // Of one that is only listed it is known how many messages it has.
          const count = chats.get(chat)?.message_count ?? 0
          const isWrong = JSON.stringify(window) !== JSON.stringify(expected) || total !== count
          const isEmpty = ofChat.length > 0 && window.length === 0
          if (isWrong || isEmpty || view.getError() !== undefined) {
            const said = { start, total, window, error: view.getError() }
            found.push(`${name} shows ${JSON.stringify(said)} of ${chat}, not ${JSON.stringify(ofChat)}`)
          }
        }
        for (const opened of screens.opened) {
          const messages = opened.messages.map(({ id, content, status }) => ({ id, content, status }))
          if (JSON.stringify(messages) !== JSON.stringify(readMessages(opened.doc)))
            found.push(`${name} shows ${opened.address}, which is open, as it is not`)
        }
      }
      return found
    },
  }
}
