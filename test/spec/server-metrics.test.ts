import { readFileSync } from 'node:fs'
import { describe, expect, it } from 'vitest'
import { createHistogram } from '../../server/src/core/histogram.js'
import { chatEvent, testKey } from '../support/events.js'
import { connect, metricsOf, runServer } from '../support/servers.js'

const alice = testKey(1)
const bob = testKey(2)

function read(path: string): string {
  return readFileSync(new URL(`../../${path}`, import.meta.url), 'utf8')
}

/** The metrics of a server: what its lines say, by name and labels. */
async function scrape(server: { readonly url: string }) {
  const lines = (await metricsOf(server)).trimEnd().split('\n')
  const types = lines.flatMap((line) => /^# TYPE (\S+) (\S+)$/.exec(line)?.slice(1, 3) ?? [])
  const values = new Map(
    lines
      .filter((line) => !line.startsWith('#'))
      .map((line) => [line.slice(0, line.lastIndexOf(' ')), Number(line.slice(line.lastIndexOf(' ') + 1))]),
  )
  const names = types.filter((_, index) => index % 2 === 0)
  return { lines, names, values }
}

describe('metrics', () => {
  it('[MET1] count and time what a server does, by kind and by error code', async () => {
    const server = await runServer()
    const client = await connect(server, alice)
    const event = chatEvent(alice)
    for (const one of [event, event, chatEvent(alice), chatEvent(bob)]) await client.publish(one)
    await client.request('s', { kinds: [30001] })
    await client.request('bad', { kinds: 'none' })
    const { lines, values } = await scrape(server)
    const value = (name: string) => values.get(`onyx_sync_${name}`)
    expect(value('logins_total')).toBe(1)
    expect(value('events_stored_total')).toBe(2)
    expect(value('events_stored_by_kind_total{kind="30001"}')).toBe(2)
    expect(value('events_duplicate_total')).toBe(1)
    expect(value('refused_total{code="WRITE_RESTRICTED"}')).toBe(1)
    expect(value('refused_total{code="FILTER_INVALID"}')).toBe(1)
    expect(value('events_queued')).toBe(0)
    expect(value('ok_seconds_count')).toBe(3)
    expect(value('ok_seconds_bucket{le="+Inf"}')).toBe(3)
    expect(value('commit_seconds_count')).toBe(2)
    expect(value('commit_events_sum')).toBe(2)
    expect(value('verify_seconds_count')).toBeGreaterThanOrEqual(5)
    expect(value('catch_up_seconds_count')).toBe(1)
    expect(value('events_sent_total')).toBe(2)
    expect(value('messages_sent_total')).toBeGreaterThanOrEqual(9)
    expect(value('sent_characters_total')).toBeGreaterThan(event.content.length * 2)
    expect(value('disk_bytes')).toBeGreaterThan(0)
    for (const name of [
      'event_loop_delay_seconds{quantile="0.99"}',
      'heap_used_bytes',
      'cpu_seconds_total',
    ]) {
      expect(value(name), name).toBeGreaterThan(0)
    }
    // Nothing that names anybody, or what they wrote.
    for (const secret of [alice.publicKey, event.id, event.content])
      expect(lines.join()).not.toContain(secret)
  })

  it('[MET2] are all documented, and the dashboard shows only what exists', async () => {
    const { names } = await scrape(await runServer())
    const documented = [...read('docs/OPERATIONS.md').matchAll(/^\| `(onyx_sync_\w+)` \|/gm)].map(
      (match) => match[1],
    )
    expect([...documented].sort()).toEqual([...names].sort())
    const dashboard = JSON.parse(read('docs/grafana-dashboard.json')) as {
      panels: { targets: { expr: string }[] }[]
    }
    const used = dashboard.panels
      .flatMap(({ targets }) => targets)
      .flatMap(({ expr }) => expr.match(/onyx_sync_\w+/g) ?? [])
    expect(used.length).toBeGreaterThan(20)
    const series = new Set(
      names.flatMap((name) => ['', '_bucket', '_sum', '_count'].map((suffix) => name + suffix)),
    )
    expect(used.filter((name) => !series.has(name))).toEqual([])
  })

  it('[MET1] histograms count values up to each bound, inclusive', () => {
    const histogram = createHistogram([1, 2, 5])
    for (const value of [0, 1, 1.5, 5, 5.1, 100]) histogram.observe(value)
    expect(histogram.counts).toEqual([2, 1, 1, 2])
    expect(histogram.sum).toBeCloseTo(112.6)
  })
})
