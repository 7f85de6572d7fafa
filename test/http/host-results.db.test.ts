import { afterAll, beforeAll, expect, test } from 'vitest'
import { HostResultList, HostTicks } from '#protocol/host-results.ts'
import type { UserId } from '#protocol/units.ts'
import { addCampaign, addUser } from '#support/builders.ts'
import { computeUnits, endEmbargo } from '#support/publishing.ts'
import { enrolHost, startServer, type TestHost, type TestServer } from '#support/server.ts'

let server: TestServer
let owner: { id: UserId; token: string }
let host: TestHost

beforeAll(async () => {
  server = await startServer()
  owner = await addUser(server.database.knex, 'ada')
  host = await enrolHost(server)
})
afterAll(() => server.close())

const pathOf = (what: string) => `/api/v1/hosts/${host.id}/${what}`
const publicOf = async (query = '') =>
  HostResultList.parse((await server.call('GET', pathOf(`results${query}`))).json)
const ownOf = async () => HostResultList.parse((await host.say('GET', pathOf('results'))).json)
const ticksOf = async () => HostTicks.parse((await server.call('GET', pathOf('ticks'))).json).ticks

test('what a host computed is its own to see until the run is public, and nobody else’s in an unlisted campaign', async () => {
  const { knex } = server.database
  const units = [1, 2, 3].map(priority => ({ quorum: 1, createdAt: server.now(), priority: -priority }))
  const campaign = await addCampaign(knex, server, owner.id, units)
  await computeUnits(host, campaign.units, [1, 2, 3])
  const latestFirst = campaign.units.map(unit => unit.resultIds[0]).reverse()
  const own = await ownOf()
  expect(own).toMatchObject({ own: true, nextAfter: null })
  expect(own.results.map(({ id, verdict }) => [id, verdict])).toEqual(latestFirst.map(id => [id, 'pending']))
  expect(await publicOf()).toEqual({ results: [], own: false, nextAfter: null })
  expect(await ticksOf()).toEqual([])

  await endEmbargo(knex, campaign.id)
  server.advance(2_000) // ticks are kept for a moment
  expect((await publicOf()).results).toEqual([]) // they would lead, and the verifier has not seen them
  await knex.raw('update results set trusted = true')
  const first = await publicOf('?limit=2')
  const rest = await publicOf(`?limit=2&after=${first.nextAfter}`)
  expect([...first.results, ...rest.results].map(({ id }) => id)).toEqual(latestFirst)
  expect(first.results[0]).toMatchObject({ campaign: { id: campaign.id }, verdict: 'valid' })
  expect(rest.nextAfter).toBeNull()
  expect(await ticksOf()).toMatchObject([{ runs: 3, failed: 0, agreed: 1, best: false }])

  await knex.raw(`update campaigns set file = jsonb_set(file, '{visibility}', '"unlisted"')`)
  server.advance(2_000)
  expect((await publicOf()).results).toEqual([])
  expect(await ticksOf()).toEqual([])
  expect((await ownOf()).results).toHaveLength(3)
})
