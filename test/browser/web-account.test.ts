import { cpSync, readFileSync, writeFileSync } from 'node:fs'
import { createServer } from 'node:http'
import type { AddressInfo } from 'node:net'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { npubEncode } from 'nostr-tools/nip19'
import { finalizeEvent } from 'nostr-tools/pure'
import { expect, it, vi } from 'vitest'
import { shortKey } from '../../client/web/src/parts/words.js'
import { afterThisTest } from '../support/after-test.js'
import { violations } from '../support/axe.js'
import { hasChromium } from '../support/browser.js'
import { testKey } from '../support/events.js'
import { connect } from '../support/servers.js'
import { temporaryDirectory } from '../support/temporary-directory.js'
import {
  bringKeyIn,
  edit,
  openWebDevice,
  SAVED,
  serveWebClient,
  startChatting,
  takeKeyOut,
  useWebBrowser,
  WEB_DIRECTORY,
  wait,
  write,
} from '../support/web-client.js'

useWebBrowser()

/** A model behind the chat completions API, which keeps what it was asked. */
async function startModel(): Promise<{
  readonly url: string
  readonly asked: { key: string; body: string }[]
}> {
  const asked: { key: string; body: string }[] = []
  const server = createServer(async (request, response) => {
    response.setHeader('Access-Control-Allow-Origin', '*')
    response.setHeader('Access-Control-Allow-Headers', '*')
    if (request.method === 'OPTIONS') {
      response.writeHead(204).end()
      return
    }
    const chunks: Buffer[] = []
    for await (const chunk of request) chunks.push(chunk as Buffer)
    asked.push({ key: request.headers.authorization ?? '', body: Buffer.concat(chunks).toString() })
    response.writeHead(200, { 'Content-Type': 'text/event-stream' })
    const parts = [{ reasoning_content: 'hm' }, { content: 'A rain ' }, { content: 'jacket.' }]
    for (const delta of parts) response.write(`data: ${JSON.stringify({ choices: [{ delta }] })}\n\n`)
    response.end('data: {"choices":[{"delta":{},"finish_reason":"stop"}]}\n\ndata: [DONE]\n\n')
  })
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
  afterThisTest(() => {
    server.closeAllConnections()
    server.close()
  })
  return { url: `http://127.0.0.1:${(server.address() as AddressInfo).port}/v1`, asked }
}

it.skipIf(!hasChromium)(
  '[WEB9] a model by its address: its API key reaches it and nothing else, and a policy that keeps it away says how to let it in',
  async () => {
    const model = await startModel()
    const strict = await serveWebClient()
    const key = 'test-key-0123456789abcdef'
    const data = temporaryDirectory()
    const { url } = await serveWebClient({
      data,
      web: { directory: WEB_DIRECTORY, connect: [new URL(model.url).origin] },
    })
    const frames: string[] = []
    for (const page of [url, strict.url]) {
      const device = await openWebDevice('about:blank')
      device.page.on('websocket', (socket) => {
        socket.on('framesent', ({ payload }) => frames.push(String(payload)))
      })
      await device.page.goto(page)
      await startChatting(device.page)
      await device.page.getByRole('button', { name: 'Settings' }).click()
      await device.page.getByLabel('Address of an OpenAI-compatible API').fill(model.url)
      await device.page.getByLabel('Model', { exact: true }).fill('tiny')
      await device.page.getByLabel('API key, if it takes one').fill(key)
      await device.page.getByRole('button', { name: 'Use this model' }).click()
      await device.page.getByText(`tiny at ${model.url} answers.`).waitFor()
      await device.page.getByRole('button', { name: 'Close' }).click()
      await write(device.page, 'What should I pack?')
      if (page === strict.url) {
        await device.page.getByText(/--web-connect http:\/\/127\.0\.0\.1/).waitFor()
        continue
      }
      await device.page.getByText('A rain jacket.').waitFor()
      await device.page.getByRole('button', { name: SAVED }).waitFor()
      // Address and name are the account's; the key is not.
      const other = await openWebDevice(url)
      await bringKeyIn(other.page, await takeKeyOut(device.page))
      await other.page.getByRole('link', { name: /What should I pack/ }).waitFor()
      await other.page.getByRole('button', { name: 'Settings' }).click()
      await other.page.getByText(`tiny at ${model.url} answers.`).waitFor()
      expect(await other.page.getByLabel('API key, if it takes one').inputValue()).toBe('')
      expect(device.faults).toEqual([])
    }
    expect(model.asked).toHaveLength(1)
    expect(model.asked[0]?.key).toBe(`Bearer ${key}`)
    expect(JSON.parse(model.asked[0]?.body ?? '')).toEqual({
      model: 'tiny',
      stream: true,
      messages: [{ role: 'user', content: 'What should I pack?' }],
    })
    expect(frames.length).toBeGreaterThan(3)
    expect(frames.filter((frame) => frame.includes(key))).toEqual([])
    const decoded = frames.flatMap((frame) =>
      [...frame.matchAll(/"content":"([A-Za-z0-9+/=]{8,})"/g)].map(([, text]) =>
        Buffer.from(text ?? '', 'base64'),
      ),
    )
    expect(decoded.filter((bytes) => bytes.includes(key))).toEqual([])
  },
  90_000,
)

it.skipIf(!hasChromium)(
  '[WEB10] shows markup of others as the text that it is, and lets no link run anything',
  async () => {
    const { url } = await serveWebClient()
    const { page, faults } = await openWebDevice(url)
    await startChatting(page)
    await write(
      page,
      '<img src=x onerror="document.title=1"> <script>document.title=2</script>\n\n[a](javascript:document.title=3) [b](https://example.com) ![c](https://example.com/c.png) <b>d</b>',
    )
    const bubble = page.locator('.message[data-role=user] .bubble')
    await bubble.getByText('<img src=x').waitFor()
    expect(await bubble.locator('img, script, b, iframe').count()).toBe(0)
    const links = await bubble.locator('a').evaluateAll((all) => all.map((link) => link.getAttribute('href')))
    expect(links).toEqual(['https://example.com', 'https://example.com/c.png'])
    expect(await bubble.locator('a').first().getAttribute('rel')).toBe('noopener noreferrer')
    await page.getByRole('button', { name: SAVED }).waitFor()
    expect(await page.title()).toBe('onyx-sync')
    expect(faults).toEqual([])
  },
  60_000,
)

it.skipIf(!hasChromium)(
  '[WEB11] an extension signs for its own account, a code brings a key in without a trace, and leaving asks about what is unsaved',
  async () => {
    const { server, url } = await serveWebClient()
    const key = testKey(7)
    const device = await openWebDevice('about:blank')
    await device.page.exposeFunction('signForTest', (template: never) =>
      finalizeEvent(template, key.secretKey),
    )
    await device.page.addInitScript((pubkey) => {
      const sign = (template: unknown) =>
        (window as unknown as { signForTest(template: unknown): unknown }).signForTest(template)
      Object.assign(window, { nostr: { getPublicKey: async () => pubkey, signEvent: sign } })
    }, key.publicKey)
    await device.page.goto(url)
    await device.page.getByRole('button', { name: 'Use my Nostr extension' }).click()
    await write(device.page, 'By the extension')
    await vi.waitFor(
      async () => expect(await device.page.getByText('Saved', { exact: true }).count()).toBe(2),
      wait,
    )
    const reader = await connect(server, key)
    expect((await reader.request('s', { kinds: [30001] })).events.length).toBeGreaterThan(0)

    const first = await openWebDevice(url)
    await startChatting(first.page)
    const nsec = await takeKeyOut(first.page)
    const second = await openWebDevice(`${url}#${nsec}`)
    expect(second.page.url()).toBe(url)
    await second.page.getByRole('heading', { name: 'Bring this account to this device?' }).waitFor()
    await second.page.getByRole('button', { name: 'Bring it in' }).click()
    await second.page.getByRole('button', { name: SAVED }).waitFor()
    expect(await takeKeyOut(second.page)).toBe(nsec)
    await server.close()
    await second.page.getByText(/reconnecting in/).waitFor()
    await write(second.page, 'Not saved')
    await second.page.getByText(/kept on this device, not saved yet/).waitFor()
    const asked: string[] = []
    second.page.once('dialog', (dialog) => {
      asked.push(dialog.message())
      void dialog.dismiss()
    })
    await second.page.getByRole('button', { name: 'Settings' }).click()
    await second.page.getByRole('button', { name: /Leave this account/ }).click()
    await vi.waitFor(
      () => expect(asked).toEqual([expect.stringMatching(/not saved yet, and would be lost/)]),
      wait,
    )
    await second.page.getByRole('button', { name: 'Close' }).click()
    await second.page.locator('.bubble', { hasText: 'Not saved' }).first().waitFor()
    await second.page.evaluate(() => navigator.serviceWorker.ready)
    second.page.once('dialog', (dialog) => void dialog.accept())
    await second.page.getByRole('button', { name: 'Settings' }).click()
    await second.page.getByRole('button', { name: /Leave this account/ }).click()
    await second.page.getByRole('button', { name: 'Start chatting' }).waitFor()
    expect(await second.page.evaluate(() => JSON.stringify(localStorage))).not.toMatch(/secret-key|account/)
    // Nor does it come back.
    await second.page.reload()
    await second.page.getByRole('button', { name: 'Start chatting' }).waitFor()
  },
  90_000,
)

it.skipIf(!hasChromium)(
  '[WEB12] shares a chat with another key, for reading and for writing, says who is there, and who wrote what',
  async () => {
    const { url } = await serveWebClient()
    const [owner, member] = [await openWebDevice(url), await openWebDevice(url)]
    await startChatting(owner.page)
    await startChatting(member.page)
    await member.page.getByRole('button', { name: 'Settings' }).click()
    const npub = (await member.page.locator('.key-line code').getAttribute('title')) ?? ''
    await member.page.getByRole('button', { name: 'Close' }).click()
    await write(owner.page, 'For both of us')
    await owner.page.getByRole('button', { name: 'Share and more' }).click()
    await owner.page.getByLabel('Share with a public key').fill('nobody')
    await owner.page.getByRole('button', { name: 'Share', exact: true }).click()
    await owner.page.getByText('That is no public key').waitFor()
    await owner.page.getByLabel('Share with a public key').fill(npub)
    await owner.page.getByLabel('What they may do').selectOption('read')
    await owner.page.getByRole('button', { name: 'Share', exact: true }).click()
    await owner.page.getByText('reads', { exact: true }).first().waitFor()
    await owner.page.getByRole('button', { name: 'Close' }).click()
    await member.page.getByRole('link', { name: /For both of us/ }).click()
    await member.page.getByPlaceholder('You may read this chat, not write in it').waitFor()
    // Who wrote it: the message and its reply, in words that are read out too.
    const ownerKey = (await owner.page.evaluate(() => localStorage.getItem('onyx-sync.account'))) ?? ''
    const ownerName = shortKey(npubEncode((JSON.parse(ownerKey) as { pubkey: string }).pubkey))
    await member.page
      .getByRole('article', { name: new RegExp(`^${ownerName}, `) })
      .getByText('For both of us')
      .waitFor()
    await member.page.getByText(`Reply, by ${ownerName}`, { exact: true }).waitFor()
    expect(await owner.page.locator('.author').count()).toBe(0)
    await owner.page.getByText(/Also here: Chrome/).waitFor()
    await owner.page.getByLabel('Message', { exact: true }).fill('One mom')
    await member.page.getByText(/is typing…/).waitFor()

    // From now on the member writes too, and each sees whose is whose; on a new device of the owner's as well.
    await owner.page.getByRole('button', { name: 'Share and more' }).click()
    await owner.page.getByLabel('Share with a public key').fill(npub)
    await owner.page.getByLabel('What they may do').selectOption('write')
    await owner.page.getByRole('button', { name: 'Share', exact: true }).click()
    await owner.page.getByText('reads and writes', { exact: true }).first().waitFor()
    await owner.page.getByRole('button', { name: 'Close' }).click()
    await member.page.getByPlaceholder('Write a message').waitFor()
    await write(member.page, 'From the member')
    const laptop = await openWebDevice(url)
    await owner.page.locator('.author').nth(1).waitFor()
    await bringKeyIn(laptop.page, await takeKeyOut(owner.page))
    await laptop.page.getByRole('link', { name: /For both of us/ }).click()
    for (const { page } of [owner, laptop]) {
      await page
        .getByRole('article', { name: new RegExp(`^${shortKey(npub)}, `) })
        .first()
        .getByText('From the member')
        .waitFor()
      await page.getByText(`Reply, by ${shortKey(npub)}`, { exact: true }).waitFor()
      expect(await page.locator('.author').count()).toBe(2)
      expect(await violations(page)).toEqual([])
    }
    expect(await member.page.getByRole('article', { name: /^You, / }).allInnerTexts()).toEqual([
      expect.stringContaining('From the member'),
    ])
    expect([...owner.faults, ...member.faults]).toEqual([])
  },
  60_000,
)

it.skipIf(!hasChromium)(
  '[WEB17] brings chats in from a file, twice as once, gives them out again, and shows a chat as it was',
  async () => {
    const { url } = await serveWebClient()
    const { page, faults } = await openWebDevice(url)
    await startChatting(page)
    const file = fileURLToPath(new URL('../vectors/chatgpt-conversations.json', import.meta.url))
    await page.getByRole('button', { name: 'Settings' }).click()
    for (const outcome of [
      /new chats?, [1-9]\d* new messages?/,
      /0 new chats, 0 new messages, \d+ messages? were here/,
    ]) {
      await page.getByLabel(/Import chats/).setInputFiles(file)
      await page.getByText(outcome).waitFor()
    }
    const download = page.waitForEvent('download')
    await page.getByRole('button', { name: 'Save all chats as a file' }).click()
    const saved = JSON.parse(readFileSync(await (await download).path(), 'utf8')) as { chats: unknown[] }
    expect(saved.chats.length).toBeGreaterThan(0)
    await page.getByRole('button', { name: 'Close' }).click()

    await page.getByRole('link', { name: 'New chat' }).click()
    await write(page, 'As it was')
    await page.getByText('Settings → Model').waitFor()
    await edit(page, 'As it was', 'As it is')
    await page.getByRole('button', { name: SAVED }).waitFor()
    await page.getByRole('button', { name: 'Share and more' }).click()
    await page.getByRole('button', { name: 'History' }).click()
    const dialog = page.getByRole('dialog')
    await dialog.getByText('Changed “As it was” to “As it is”').waitFor()
    await dialog.getByRole('slider').press('ArrowLeft')
    await dialog.getByRole('listitem').getByText('As it was', { exact: true }).waitFor()
    await dialog.getByText('You', { exact: true }).waitFor()
    expect(faults).toEqual([])
  },
  60_000,
)

it.skipIf(!hasChromium)(
  '[WEB13] opens without a server, offers a newer build and never mixes two, and takes a new policy for the same build',
  async () => {
    const data = temporaryDirectory()
    const { server, url } = await serveWebClient({ data })
    const port = server.address?.port ?? 0
    const { page } = await openWebDevice(url)
    await startChatting(page)
    await page.evaluate(() => navigator.serviceWorker.ready)
    await server.close()
    await page.reload()
    await page.getByRole('button', { name: /Offline, reconnecting in/ }).waitFor()
    for (const path of ['', 'two']) {
      const other = await page.context().newPage()
      await other.goto(url + path)
      await other.getByRole('heading').first().waitFor()
      await other.close()
    }

    // The same build, whose pages may reach more.
    const connectOf = () =>
      page.evaluate(async () => {
        const [name] = await caches.keys()
        const kept = await (await caches.open(name as string)).match('/', { ignoreVary: true })
        return /connect-src[^;]*/.exec(kept?.headers.get('content-security-policy') ?? '')?.[0]
      })
    const more = await serveWebClient({
      data,
      port,
      web: { directory: WEB_DIRECTORY, connect: ['https://models.example'] },
    })
    expect(await connectOf()).not.toContain('models.example')
    await page.reload()
    await vi.waitFor(async () => expect(await connectOf()).toContain('https://models.example'), wait)
    await more.server.close()

    const next = join(temporaryDirectory(), 'dist')
    cpSync(WEB_DIRECTORY, next, { recursive: true })
    for (const [file, from, to] of [
      ['index.html', '<title>onyx-sync', '<title>The next build'],
      ['sw.js', /VERSION = "\w+"/, 'VERSION = "next"'],
    ] as const) {
      const path = join(next, file)
      writeFileSync(path, readFileSync(path, 'utf8').replace(from, to))
      for (const ending of ['.br', '.gz']) writeFileSync(path + ending, Buffer.alloc(100_000))
    }
    await serveWebClient({ data, port, web: { directory: next } })
    await page.reload()
    expect(await page.title()).toBe('onyx-sync')
    await page.getByRole('button', { name: 'New version: reload' }).click()
    await vi.waitFor(async () => expect(await page.title()).toBe('The next build'), wait)
    await page.getByRole('button', { name: SAVED }).waitFor()
    expect(await page.evaluate(() => caches.keys())).toEqual(['onyx-sync-web-next'])
  },
  90_000,
)
