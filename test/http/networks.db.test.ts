import { afterAll, beforeAll, beforeEach, describe, expect, test } from 'vitest'
import { forgetTraces } from '#jobs/forget.ts'
import { PREFIX_DAYS } from '#protocol/limits.ts'
import { inTransaction } from '#store/database.ts'
import { addExclusions } from '#store/standing.ts'
import { addUser } from '#support/builders.ts'
import { type Scene, startScene } from '#support/scene.ts'
import { enrolHost, type TestHost } from '#support/server.ts'

let scene: Scene
let server: Scene['server']
let names = 0

beforeAll(async () => {
  scene = await startScene()
  server = scene.server
})
afterAll(() => server.close())
beforeEach(() => scene.clear())

const from = (address: string) => ({ 'x-forwarded-for': address })
const anonymous = (address: string) => enrolHost(server, { headers: from(address) })
const account = async (address: string) => {
  const { token } = await addUser(server.database.knex, `neighbour ${++names}`)
  return enrolHost(server, { token, headers: from(address) })
}
const leasesOf = async (host: TestHost, headers: Record<string, string> = {}): Promise<number> => {
  const reply = await host.call({ want: 1 }, { headers })
  return JSON.parse(reply.text).leases.length
}

describe('no two hosts of one network get results of one work unit', () => {
  test.each([
    ['two accounts', account, account, '203.0.113.1', '203.0.113.200', 0],
    ['an account and nobody', account, anonymous, '203.0.113.1', '203.0.113.200', 0],
    ['nobody twice', anonymous, anonymous, '2001:db8:7:1::1', '2001:db8:7:2::1', 0],
    ['the same by two spellings', account, account, '::ffff:203.0.113.1', '203.0.113.9', 0],
    ['two accounts in two networks', account, account, '203.0.113.1', '203.0.114.1', 1],
    ['two accounts in a shared network', account, account, '127.0.0.1', '127.0.0.2', 1],
    ['nobody twice in a shared network', anonymous, anonymous, '127.0.0.1', '127.0.0.1', 1],
  ])('%s', async (_who, first, second, one, other, leases) => {
    await scene.campaign([{}])
    expect(await leasesOf(await first(one))).toBe(1)
    expect(await leasesOf(await second(other))).toBe(leases)
  })

  test('not when they call at the same moment either', async () => {
    await scene.campaign([{}, {}])
    const hosts = await Promise.all([1, 2, 3, 4].map(n => account(`198.51.100.${n}`)))
    const leased = await Promise.all(hosts.map(host => host.call({ want: 2 })))
    const units = leased.flatMap(({ text }) =>
      JSON.parse(text).leases.map((l: { workUnitId: string }) => l.workUnitId),
    )
    expect(units).toHaveLength(2)
    expect(new Set(units).size).toBe(2)
  })

  test('it is where a host calls from now that counts, not where it enrolled', async () => {
    await scene.campaign([{}])
    const traveller = await account('192.0.2.1')
    const neighbour = await account('192.0.2.2')
    expect(await leasesOf(traveller, from('198.18.0.1'))).toBe(1)
    expect(await leasesOf(await account('198.18.0.2'))).toBe(0)
    expect(await leasesOf(neighbour)).toBe(1)
  })

  test('the verifier checks whomever it stands beside', async () => {
    const { units } = await scene.campaign([{ kind: 'check', results: 1 }])
    const verifier = await enrolHost(server, { token: scene.verifyToken, headers: from('203.0.113.1') })
    await server.database.knex.raw(
      `insert into results (id, work_unit_id, kind, attempt, created_at)
       select 'r_' || repeat('9', 26), id, 'replica', 0, created_at from work_units where id = ?`,
      [units[0]!.id],
    )
    expect(await leasesOf(await account('203.0.113.2'))).toBe(1)
    expect(await leasesOf(verifier)).toBe(1)
  })

  test('PostgreSQL refuses it as well', async () => {
    const { units } = await scene.campaign([{}])
    const ids = units[0]!.resultIds
    const put = (id: string, prefix: string | null) =>
      server.database.knex.raw('update results set prefix = ? where id = ?', [prefix, id])
    await put(ids[0]!, 'somewhere')
    await expect(put(ids[1]!, 'somewhere')).rejects.toThrow('one_result_per_prefix')
    await put(ids[0]!, null)
  })
})

describe('networks are kept for thirty days after a host was last seen there, and never as addresses', () => {
  const DAY_MS = 24 * 3600_000
  const forget = () => forgetTraces({ knex: server.database.knex, now: server.now })
  const placeOf = async (host: TestHost) => {
    const { prefix, owner_key } = await scene.row('hosts', host.id)
    return { prefix, owner: String(owner_key).split(':')[0] }
  }
  const known = expect.stringMatching(/^[0-9a-f]{32}$/)

  test('of a host that is gone, of one that moved, not of one that stays', async () => {
    await scene.campaign([{}, {}, {}])
    const gone = await anonymous('192.0.2.10')
    const moved = await anonymous('192.0.3.10')
    const stays = await anonymous('192.0.4.10')
    const owned = await account('192.0.5.10')
    for (const host of [gone, moved, stays, owned]) expect(await leasesOf(host)).toBe(1)
    await inTransaction(server.database.knex, trx =>
      addExclusions(trx, [{ hostId: gone.id, reason: 'it lied' }], server.now()),
    )
    for (let day = 0; day < PREFIX_DAYS; day++) {
      server.advance(DAY_MS + 1)
      await stays.call()
      await moved.call({}, { headers: from('198.18.9.1') })
      if (day < PREFIX_DAYS - 1) await forget()
    }
    const { rows: before } = await server.database.knex.raw(
      `select count(*) as n from results where prefix is not null`,
    )
    expect(before[0].n).toBeGreaterThan(0)
    await forget()
    expect(await placeOf(gone)).toEqual({ prefix: null, owner: 'host' })
    expect(await placeOf(owned)).toEqual({ prefix: null, owner: 'user' })
    expect(await placeOf(moved)).toEqual({ prefix: known, owner: 'host' })
    expect(await placeOf(stays)).toEqual({ prefix: known, owner: 'prefix' })
    const { rows } = await server.database.knex.raw(
      `select count(*) as n from results where prefix is not null or owner_key like 'prefix:%'`,
    )
    expect(rows[0].n).toBe(0)
    const { rows: excluded } = await server.database.knex.raw('select owner_key from exclusions')
    expect(excluded).toEqual([{ owner_key: `host:${gone.id}` }])
    const { rows: counts } = await server.database.knex.raw(`select scope from enrolment_counts`)
    expect(counts).toEqual([])
    const { rows: spent } = await server.database.knex.raw(`select nonce from spent_challenges`)
    expect(spent).toEqual([])
  })

  test('no address is anywhere in the database', async () => {
    await anonymous('203.0.113.77')
    const { knex } = server.database
    const { rows: tables } = await knex.raw(
      `select tablename from pg_tables where schemaname = 'public' order by tablename`,
    )
    expect(tables.length).toBeGreaterThan(15)
    for (const { tablename } of tables) {
      const { rows } = await knex.raw('select * from ??', [tablename])
      expect(JSON.stringify(rows), tablename).not.toMatch(/203\.0\.113|192\.0\.2\./)
    }
  })
})
