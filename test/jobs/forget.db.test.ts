import { readFile } from 'node:fs/promises'
import { join } from 'node:path'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { forgetTraces, forgetWeights, POLICIES, purge, rehearsePurge, UNSHOWN_WEIGHTS } from '#jobs/forget.ts'
import { ERROR_DETAIL_DAYS, HOST_EVENT_DAYS, UNSHOWN_WEIGHTS_DAYS } from '#protocol/limits.ts'
import { addMs, type HostId, type ResultId } from '#protocol/units.ts'
import { inTransaction } from '#store/database.ts'
import { insertFile } from '#store/files.ts'
import { addHostEvents } from '#store/hosts.ts'
import { sha256 } from '#support/builders.ts'
import { addHost } from '#support/hosts.ts'
import { type Lifecycle, report, rows, startLifecycle, submit, take } from '#support/lifecycle.ts'

const DAY_MS = 24 * 3600_000

let life: Lifecycle
let hosts: readonly [HostId, HostId]
let shown: Buffer // weights that a published run names
let stray: Buffer // weights of a result that counted for nothing

beforeAll(async () => {
  life = await startLifecycle()
  hosts = [await addHost(life), await addHost(life)]
  await submit(life, { runs: 2 })
  const mine: ResultId[] = await take(life, hosts[0], 2)
  await report(life, hosts[0], mine)
  await report(life, hosts[1], await take(life, hosts[1], 2))
  shown = Buffer.from('the weights that everybody may read')
  stray = Buffer.from('weights of nobody')
  const { knex, now } = life.deps
  for (const bytes of [shown, stray]) {
    await life.deps.blobs.put(bytes)
    await insertFile(knex, { sha256: sha256(bytes), bytes: bytes.length, kind: 'artifact', now: now() })
  }
  await knex.raw(`update corpus set artifact_sha256 = :shown where result_id = :id`, {
    ...{ shown: sha256(shown), id: mine[0]! },
  })
  await knex.raw(`update results set artifact_sha256 = :shown where id = :id`, {
    ...{ shown: sha256(shown), id: mine[0]! },
  })
  await knex.raw(`update results set artifact_sha256 = :stray where id = :id`, {
    ...{ stray: sha256(stray), id: mine[1]! },
  })
  await knex.raw(
    `insert into file_requests (result_id, host_id, sha256, requested_at, received_at) values (:id, :host, :stray, :at, :at)`,
    { id: mine[1]!, host: hosts[0], stray: sha256(stray), at: new Date(now()) },
  )
  await knex.raw(`update results set error_detail = 'my disk is full' where id = :id`, { id: mine[0]! })
  const told = { hostId: hosts[0], detail: '' }
  await inTransaction(knex, trx =>
    addHostEvents(
      trx,
      [
        { ...told, event: 'appealed' },
        { ...told, event: 'self_test_failed' },
        { ...told, event: 'released' },
      ],
      now(),
    ),
  )
})
afterAll(() => life.close())

const events = async () =>
  (await rows(life, `select event from host_events order by id`)).map((row: { event: string }) => row.event)
const words = () => rows(life, `select error_detail from results where error_detail is not null`)
const has = (bytes: Buffer) => life.deps.blobs.has(sha256(bytes))

/** Everything that is public, as text. */
const published = async (): Promise<string> =>
  JSON.stringify(
    await Promise.all(
      ['corpus', 'transfers', 'campaigns', 'experiments', 'campaign_events', 'accounts'].map(table =>
        rows(life, `select md5(string_agg(t::text, ',' order by t::text)) from ${table} t`),
      ),
    ),
  )

test('what is due is counted by the statements that forget it, and a rehearsal changes nothing', async () => {
  const at = (days: number) => ({ ...life.deps, now: () => addMs(life.now(), days * DAY_MS) })
  const due = async (days: number) =>
    (await rehearsePurge(at(days))).flatMap(({ what, rows: n, more }) => (n === 0 ? [] : [[what, n, more]]))
  expect(await due(0)).toEqual([])
  await forgetTraces(life.deps)
  await forgetWeights(life.deps)
  expect([await events(), (await words()).length, await has(stray)]).toEqual([
    ['appealed', 'self_test_failed', 'released'],
    ...[1, true],
  ])
  expect(await due(ERROR_DETAIL_DAYS + 1)).toContainEqual(["hosts' words about their errors", 1, false])
  expect(await due(UNSHOWN_WEIGHTS_DAYS + 1)).toContainEqual([UNSHOWN_WEIGHTS, 1, false])
  const later = await due(HOST_EVENT_DAYS + 1)
  expect(later).toContainEqual(['what befell hosts', 1, false])
  expect(await due(HOST_EVENT_DAYS + 1)).toEqual(later)
  expect([await events(), await has(stray)]).toEqual([['appealed', 'self_test_failed', 'released'], true])
})

test('a purge forgets that much and nothing that is public: runs, credit and the weights that a run names stay', async () => {
  const before = await published()
  const deps = { ...life.deps, now: () => addMs(life.now(), (HOST_EVENT_DAYS + 1) * DAY_MS) }
  const due = await rehearsePurge(deps)
  expect(await purge(deps)).toEqual(due)
  expect(await events()).toEqual(['self_test_failed', 'released']) // one counts, the other was not heard yet
  expect(await words()).toEqual([])
  expect([await has(shown), await has(stray)]).toEqual([true, false])
  expect(await rows(life, `select kind from files where kind = 'artifact'`)).toHaveLength(1)
  expect(await published()).toBe(before)
  expect((await purge(deps)).every(policy => policy.rows === 0)).toBe(true)
})

test('the table for operators names every policy, and how long it keeps', async () => {
  const page = await readFile(join(import.meta.dirname, '../../ops/docs/operating.md'), 'utf8')
  const kept = (ms: number) =>
    ms === 0 ? 'until then' : ms > 2 * DAY_MS ? `${ms / DAY_MS} days` : `${ms / 3600_000} hours`
  const policies = [...POLICIES, { what: UNSHOWN_WEIGHTS, keptMs: UNSHOWN_WEIGHTS_DAYS * DAY_MS }]
  for (const { what, keptMs } of policies) expect(page).toContain(`| ${what} | ${kept(keptMs)} |`)
})
