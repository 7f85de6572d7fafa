import { afterAll, beforeAll, expect, test } from 'vitest'
import { lanesFor, type Seeker, seatsFor } from '#domain/pool.ts'
import { addMs, type Instant } from '#protocol/units.ts'
import { inTransaction } from '#store/database.ts'
import { lockCandidates } from '#store/dispatch.ts'
import { lockPool } from '#store/pool.ts'
import { type Scene, startScene } from '#support/scene.ts'
import { enrolHost } from '#support/server.ts'

let scene: Scene
beforeAll(async () => {
  scene = await startScene()
})
afterAll(() => scene.server.close())

/** Strews lanes, ages, priorities, owners and states over the units of two campaigns, by their numbers. */
const STREW = `
  with numbered as (select id, row_number() over (order by id) as n from results)
  update results r set lane = (array['anyone', 'proven', 'unproven', 'verifier'])[1 + n % 4]::lane,
    kind = case when n % 4 = 3 then 'check'::result_kind else 'replica' end,
    priority = n % 3, created_at = r.created_at - make_interval(secs => (n * 37 % 300)::int)
  from numbered where numbered.id = r.id`

test('one look for a group finds for each host what a look for it alone finds', async () => {
  const { server } = scene
  const { knex } = server.database
  const units = Array.from({ length: 60 }, () => ({}))
  await scene.campaign(units)
  await scene.campaign(units)
  const enrolled = [await enrolHost(server), await enrolHost(server), await enrolHost(server)]
  for (const host of enrolled) await host.ask({ want: 2 }) // some units have parties
  await knex.raw(STREW.replace('from numbered where', "from numbered where r.state = 'unsent' and"))
  await knex.raw("update work_units set fuel_max = 4e9 where seed % 3 = 0 or right(id, 1) < '4'")
  const now = server.now()
  const patience = { starvedBefore: addMs(now, -200_000), pairedBefore: addMs(now, -60_000) }
  const { rows } = await knex.raw('select owner_id from campaigns limit 1')
  const stranger = { userId: null, prefix: null, trusted: false, engineClasses: ['wasm' as const] }
  const seekers: Seeker[] = [
    ...enrolled.map(({ id }) => ({
      ...{ ...stranger, hostId: id, ownerKey: `host:${id}`, provenFuel: {}, memoryPages: 65_536 },
    })),
    ...[{ wasm: 1e9 }, { wasm: 9e9 }].map(provenFuel => ({
      ...{
        ...stranger,
        hostId: enrolled[0]!.id,
        ownerKey: `host:${enrolled[0]!.id}`,
        provenFuel,
        memoryPages: 65_536,
      },
    })),
    {
      ...stranger,
      hostId: enrolled[1]!.id,
      ownerKey: 'platform',
      provenFuel: {},
      memoryPages: 65_536,
      trusted: true,
    },
    {
      ...stranger,
      hostId: enrolled[2]!.id,
      ownerKey: 'user',
      userId: rows[0].owner_id,
      provenFuel: {},
      memoryPages: 65_536,
    },
    { ...stranger, hostId: enrolled[2]!.id, ownerKey: 'small', provenFuel: {}, memoryPages: 1 },
  ]
  const found = await inTransaction(knex, async trx => {
    const pool = await lockPool(
      trx,
      {
        ...{ kept: [...new Set(seekers.flatMap(s => lanesFor(s).kept))], engineClasses: ['wasm'] },
        ...{
          waiting: [...new Set(seekers.flatMap(s => lanesFor(s).waiting))],
          memoryPages: 65_536,
          takes: { proven: 1_000, unproven: 1_000, verifier: 1_000 },
          spare: 1_000,
          all: false,
        },
      },
      patience,
    )
    const looks: { together: string[]; alone: string[] }[] = []
    for (const host of seekers) {
      const wish = { ...host, engineClasses: ['wasm' as const], limit: 1_000 }
      const alone = await lockCandidates(trx, [wish], patience)
      looks.push({
        together: seatsFor(host, pool, patience).map(({ resultId }) => resultId),
        alone: alone.map(({ resultId }) => resultId),
      })
    }
    return looks
  })
  for (const { together, alone } of found) expect(together).toEqual(alone)
  const counts = found.map(({ alone }) => alone.length)
  expect(counts.slice(0, 6).every(n => n > 0)).toBe(true)
  expect(new Set(counts).size).toBeGreaterThan(3) // their differences matter
  expect(counts.slice(6)).toEqual([0, 0]) // its own campaigns; too little memory
})

test('what is for anyone is looked up for what the lane of the hosts has too few of', async () => {
  const { server } = scene
  const countsOf = async (waiting: 'unproven'[], pairedBefore: Instant, all = false) => {
    const pool = await inTransaction(server.database.knex, trx =>
      lockPool(
        trx,
        {
          ...{ kept: ['proven', 'anyone'], waiting, engineClasses: ['wasm'], memoryPages: 65_536 },
          ...{ takes: { proven: 8, unproven: 0, verifier: 0 }, spare: 2, all },
        },
        { starvedBefore: server.now(), pairedBefore },
      ),
    )
    const lanes = Map.groupBy(pool, ({ lane }) => lane)
    return (['proven', 'unproven', 'anyone'] as const).map(lane => lanes.get(lane)?.length ?? 0)
  }
  await server.database.knex.raw(
    `update results set lane = 'anyone' where lane = 'proven' and state = 'unsent'
      and id not in (select id from results where lane = 'proven' and state = 'unsent' limit 3)`,
  )
  const ages = addMs(server.now(), -1e9)
  expect(await countsOf([], ages)).toEqual([3, 0, 7])
  expect(await countsOf(['unproven'], ages)).toEqual([3, 0, 7]) // too young for them
  expect(await countsOf(['unproven'], server.now())).toEqual([3, 10, 2])
  expect(await countsOf(['unproven'], server.now(), true)).toEqual([3, 10, 10])
})
