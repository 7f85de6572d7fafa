import { once } from 'node:events'
import { connect } from 'node:net'
import { afterAll, beforeAll, beforeEach, describe, expect, test } from 'vitest'
import { STREAM_RESUME_MAX, STREAMS_PER_ADDRESS_MAX } from '#protocol/limits.ts'
import type { CampaignId, UserId } from '#protocol/units.ts'
import { inTransaction } from '#store/database.ts'
import { addCampaignEvents } from '#store/events.ts'
import { tellHosts, tickVerified } from '#store/stream.ts'
import { addCampaign, addUser } from '#support/builders.ts'
import { addPublished } from '#support/published.ts'
import { enrolHost, startServer, type TestServer } from '#support/server.ts'
import { openStream, type StreamReader } from '#support/streams.ts'

let server: TestServer
let owner: { id: UserId; token: string }
let campaign: { readonly id: CampaignId }
let count = 0

beforeAll(async () => {
  server = await startServer({ streamBeatMs: 50 })
})
afterAll(() => server.close())
beforeEach(async () => {
  owner = await addUser(server.database.knex, `reader-${++count}`)
  campaign = await addCampaign(server.database.knex, server, owner.id, [])
})

/** Publishes runs of a campaign of its own. */
const publish = (experiments: Parameters<typeof addPublished>[2]['experiments'], file = {}) =>
  addPublished(server.database.knex, server, { owner: owner.id, file, experiments })
const happen = (...details: string[]) =>
  inTransaction(server.database.knex, trx =>
    addCampaignEvents(
      trx,
      details.map(detail => ({ campaignId: campaign.id, event: 'note' as const, detail })),
      server.now(),
    ),
  )
const topic = () => `campaign:${campaign.id}`
const stream = (topics = topic(), how: Parameters<typeof openStream>[2] = {}) =>
  openStream(server.url, topics, how)
const detailOf = (message: Awaited<ReturnType<StreamReader['next']>>) =>
  (message?.data as { detail?: string } | undefined)?.detail

/** The next so many details of a stream. */
async function details(reader: StreamReader, n: number): Promise<(string | undefined)[]> {
  const all: (string | undefined)[] = []
  while (all.length < n) all.push(detailOf(await reader.next()))
  return all
}

describe('a reader', () => {
  test('is told what happens while it listens, and after a reconnect what it missed: each once, in order', async () => {
    await happen('before it came')
    const first = await stream()
    await happen('one')
    await happen('two', 'three')
    expect(await details(first, 3)).toEqual(['one', 'two', 'three'])
    await first.hangUp()
    await happen('while it was away')
    const second = await stream(topic(), { lastId: first.lastId })
    await happen('when it was back')
    expect(await details(second, 2)).toEqual(['while it was away', 'when it was back'])
    await second.hangUp()
  })

  test('goes on at another process, and at one that was started again', async () => {
    const one = await startServer({}, server)
    const first = await openStream(one.url, topic())
    await happen('at the first')
    expect(await details(first, 1)).toEqual(['at the first'])
    await one.events.close() // as on SIGTERM
    expect((await first.next())?.data).toEqual({ reason: 'stopping' })
    expect(await first.next()).toBeUndefined()
    await happen('while no process ran')
    await one.close()
    const two = await startServer({}, server)
    const second = await openStream(two.url, topic(), { lastId: first.lastId })
    await happen('at the second')
    expect(await details(second, 2)).toEqual(['while no process ran', 'at the second'])
    await second.hangUp()
    await two.close()
  })

  test('that reconnects again and again in the middle of a storm is told everything once, in order', async () => {
    const all = Array.from({ length: 400 }, (_, i) => `number ${i}`)
    let lastId: string | undefined
    let reader = await stream()
    const storm = (async () => {
      for (let i = 0; i < all.length; i += 4) await happen(...all.slice(i, i + 4))
    })()
    const told: (string | undefined)[] = []
    while (told.length < all.length) {
      told.push(...(await details(reader, Math.min(23, all.length - told.length))))
      lastId = reader.lastId
      await reader.hangUp()
      reader = await stream(topic(), { lastId })
    }
    await storm
    await reader.hangUp()
    expect(told).toEqual(all)
  })

  test('is told of what an older transaction hid, in the order of transactions', async () => {
    const reader = await stream()
    const { knex } = server.database
    const slow = await knex.transaction()
    await addCampaignEvents(slow, [{ campaignId: campaign.id, event: 'note', detail: 'slow' }], server.now())
    await happen('quick')
    await slow.commit()
    expect(await details(reader, 2)).toEqual(['slow', 'quick'])
    await reader.hangUp()
  })

  test('who missed too much, or comes with an id of another database, is told to read everything again', async () => {
    const reader = await stream()
    await happen('seen')
    await details(reader, 1)
    await reader.hangUp()
    const { knex } = server.database
    await knex.raw(
      `insert into campaign_events (campaign_id, at, event, detail) select ?, now(), 'note', '' from generate_series(1, ?)`,
      [campaign.id, STREAM_RESUME_MAX + 1],
    )
    const again = await stream(topic(), { lastId: reader.lastId })
    expect((await again.until('hello')).data).toMatchObject({ resumed: false })
    await happen('after that')
    let told = detailOf(await again.next())
    while (told === '') told = detailOf(await again.next()) // of the many, what the server had not read when it said hello
    expect(told).toBe('after that')
    await again.hangUp()
    const foreign = await stream(topic(), { lastId: '999999999999999999-1' })
    await happen('here')
    expect(detailOf(await foreign.next())).toBe('here')
    await foreign.hangUp()
  })

  test('hears beats, which carry the place it is at', async () => {
    const reader = await stream()
    const { id } = await reader.until('beat')
    expect(id).toMatch(/^\d+-\d+$/)
    await reader.hangUp()
    await happen('after the beat')
    const again = await stream(topic(), { lastId: id })
    expect(await details(again, 1)).toEqual(['after the beat'])
    await again.hangUp()
  })
})

describe('what is told', () => {
  test('runs are told as they become public, added up, and nothing of them but how many', async () => {
    const reader = await stream('home')
    const { id } = await publish([
      { recipe: { lr: 0.1 }, values: [2, 3] },
      { recipe: { lr: 0.2 }, values: [Number.NaN] },
    ])
    const { data } = await reader.until('ticks')
    const at = expect.any(String)
    expect(data).toEqual([{ campaignId: id, at, runs: 3, failed: 1, agreed: 1 }])
    await reader.hangUp()
  })

  test('an unlisted campaign is told of to those who name it, and not on the page of all', async () => {
    const everybody = await stream('home')
    const { id } = await publish([{ recipe: { lr: 0.1 }, values: [2] }], { visibility: 'unlisted' })
    const named = await stream(`campaign:${id}`)
    const experiment = { campaignId: id, experimentId: null, event: 'verdict' as const, detail: 'secret' }
    await inTransaction(server.database.knex, trx => addCampaignEvents(trx, [experiment], server.now()))
    expect(detailOf(await named.next())).toBe('secret')
    await happen('open to all')
    expect(detailOf(await everybody.next())).toBe('open to all')
    for (const reader of [everybody, named]) await reader.hangUp()
  })

  test('of an experiment that is withheld nothing is told until it may be seen', async () => {
    const { knex } = server.database
    const rows = [{ recipe: { lr: 0.1 }, values: [2], unverified: true }]
    const { id, experiments } = await publish(rows)
    const [experiment] = experiments
    if (experiment === undefined) throw new Error('there is one')
    const topics = `experiment:${experiment.id}`
    // Its tick was made in front of this reader, which comes with an earlier place.
    const [{ xid }] = (await knex.raw('select cast(xid as text) from ticks where campaign_id = ?', [id])).rows
    const reader = await stream(`${topics},${topic()}`, { lastId: `${BigInt(xid) - 1n}-1` })
    await happen('behind it')
    expect(await details(reader, 1)).toEqual(['behind it'])
    await knex.raw('update results set trusted = true where id = ?', [experiment.resultIds[0] ?? ''])
    const now = server.now()
    await inTransaction(knex, trx =>
      tickVerified(trx, [{ campaignId: id, experimentId: experiment.id }], now),
    )
    const told = await reader.next()
    expect(told).toMatchObject({ event: 'changed', data: { topic: topics } })
    expect(told?.id?.split('-')[0]).not.toBe(xid)
    await reader.hangUp()
  })

  test('a host and its account change when its results are judged; the account’s topic needs its token', async () => {
    const { knex } = server.database
    const host = await enrolHost(server, { token: owner.token })
    const { experiments } = await publish([{ recipe: { lr: 0.1 }, values: [2] }])
    const resultIds = experiments.flatMap(one => [...one.resultIds])
    await knex.raw('update results set host_id = ?, sent_at = now() where id = any(?)', [host.id, resultIds])
    expect((await server.call('GET', '/api/v1/stream?topics=account')).code).toBe('token_missing')
    const reader = await stream(`host:${host.id},account`, { token: owner.token })
    const stranger = await stream(`home,${topic()}`)
    await inTransaction(knex, trx => tellHosts(trx, resultIds))
    const topics = [await reader.next(), await reader.next()].map(one => one?.data)
    expect(topics).toEqual([{ topic: `host:${host.id}` }, { topic: 'account' }])
    await happen('last')
    expect(detailOf(await stranger.next())).toBe('last')
    for (const one of [reader, stranger]) await one.hangUp()
  })

  test('what there is not, and what is no topic, is refused', async () => {
    const refusal = async (query: string) => (await server.call('GET', `/api/v1/stream${query}`)).code
    expect(await refusal('')).toBe('bad_request')
    expect(await refusal('?topics=')).toBe('bad_request')
    expect(await refusal('?topics=home,rumours')).toBe('bad_request')
    expect(await refusal(`?topics=campaign:c_${'0'.repeat(26)}`)).toBe('not_found')
    expect(await refusal('?topics=home&after=yesterday')).toBe('bad_request')
    const many = Array.from({ length: 17 }, (_, i) => `host:h_${String(i).padStart(26, '0')}`)
    expect(await refusal(`?topics=${many}`)).toBe('bad_request')
    const header = { headers: { 'last-event-id': 'x' } }
    expect((await server.call('GET', '/api/v1/stream?topics=home', header)).code).toBe('bad_request')
  })
})

describe('limits', () => {
  test('so many streams of one address are open at once; who hangs up leaves its place', async () => {
    const address = '198.51.100.7'
    const open: StreamReader[] = []
    while (open.length < STREAMS_PER_ADDRESS_MAX) open.push(await stream('home', { address }))
    const path = '/api/v1/stream?topics=home'
    const refused = await server.call('GET', path, { headers: { 'x-forwarded-for': address } })
    expect([refused.status, refused.code]).toEqual([429, 'streams_too_many'])
    expect(Number(refused.headers.get('retry-after'))).toBeGreaterThan(0)
    await (await stream('home', { address: '198.51.100.8' })).hangUp()
    for (const reader of open) await reader.hangUp()
    for (;;) {
      const next = await stream('home', { address }).catch(() => undefined) // a hang-up is heard a moment later
      if (next === undefined) continue
      await next.hangUp()
      break
    }
  })

  test('a reader that takes nothing is let go, and what it did not read it is told when it is back', async () => {
    const address = '198.51.100.9'
    const id = await silentReader(address)
    const beside: StreamReader[] = [] // no seat is free until the silent one is gone
    while (beside.length < STREAMS_PER_ADDRESS_MAX - 1) beside.push(await stream(topic(), { address }))
    const [other] = beside
    let sent = 0
    let seat: StreamReader | undefined
    while (seat === undefined) {
      await flood(FLOOD_ROWS)
      sent += FLOOD_ROWS
      for (let i = 0; i < FLOOD_ROWS; i++) await other?.next() // it is no hindrance to others
      seat = await stream('home', { address }).catch(() => undefined)
    }
    for (const reader of [seat, ...beside]) await reader.hangUp()
    const again = await stream(topic(), { lastId: id })
    if (sent > STREAM_RESUME_MAX) await again.until('hello')
    else for (let i = 0; i < sent; i++) expect((await again.next())?.event).toBe('campaign')
    await again.hangUp()
  })
})

const FLOOD_ROWS = 500
/** So many long events at once. */
const flood = (rows: number) =>
  server.database.knex.raw(
    `insert into campaign_events (campaign_id, at, event, detail)
     select ?, now(), 'note', repeat('x', 2000) from generate_series(1, ?)`,
    [campaign.id, rows],
  )

/** Opens a stream and reads nothing after its greeting, whose id it gives. */
async function silentReader(address: string): Promise<string> {
  const { hostname, port } = new URL(server.url)
  const socket = connect({ host: hostname, port: Number(port) })
  socket.on('error', () => undefined)
  socket.write(
    `GET /api/v1/stream?topics=${topic()} HTTP/1.1\r\nhost: x\r\nx-forwarded-for: ${address}\r\n\r\n`,
  )
  let text = ''
  for (;;) {
    await once(socket, 'readable')
    text += String(socket.read() ?? '')
    const id = /^id: (\S+)\n/m.exec(text)?.[1]
    if (id !== undefined) return id
  }
}
