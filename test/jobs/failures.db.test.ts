import { afterEach, beforeEach, expect, test, vi } from 'vitest'
import type { Enqueue } from '#jobs/deps.ts'
import { runPropose } from '#jobs/propose.ts'
import { startJobs } from '#jobs/start.ts'
import { moveDueUnits, moveUnits } from '#jobs/units.ts'
import { performCounted } from '#operate/act.ts'
import { readLetters } from '#operate/letters.ts'
import type { Act } from '#protocol/acts.ts'
import { type HostId, type ResultId, WorkUnitId } from '#protocol/units.ts'
import { inTransaction } from '#store/database.ts'
import { CRON_LOCK, openLeadership } from '#store/leadership.ts'
import { lockWorkUnits } from '#store/work-units.ts'
import { testIds } from '#support/builders.ts'
import { addHost } from '#support/hosts.ts'
import {
  auditOf,
  balance,
  type Lifecycle,
  report,
  reportOnly,
  rows,
  runJobs,
  startLifecycle,
  story,
  submit,
  take,
  unitStates,
  wait,
} from '#support/lifecycle.ts'

let life: Lifecycle
beforeEach(async () => {
  life = await startLifecycle()
})
afterEach(async () => {
  expect(await auditOf(life)).toMatchObject({ sumMilli: 0, differences: [], balanced: true })
  await life.close()
})

const unitIds = async (): Promise<WorkUnitId[]> =>
  (await rows(life, `select id from work_units order by id`)).map((row: { id: string }) =>
    WorkUnitId.parse(row.id),
  )

/** The last thing a handler does before it commits: where being killed hurts most. */
const killed: Enqueue = async () => {
  throw new Error('killed')
}

/** Everything that a handler may change, as text. */
const state = async (): Promise<string> =>
  JSON.stringify(
    await Promise.all(
      ['work_units', 'results', 'accounts', 'transfers', 'corpus', 'experiments', 'campaigns'].map(table =>
        rows(life, `select md5(coalesce(string_agg(t::text, ',' order by t::text), '')) from ${table} t`),
      ),
    ),
  )

test('a handler that is killed before it commits leaves nothing behind, and its wake-up does the work later', async () => {
  await submit(life, { runs: 2 })
  const [a, b] = [await addHost(life), await addHost(life)]
  await reportOnly(life, a, await take(life, a, 2))
  await reportOnly(life, b, await take(life, b, 2))
  const ids = await unitIds()
  const before = await state()
  const dying = { ...life.deps, enqueue: killed }
  await expect(moveUnits(dying, ids)).rejects.toThrow('killed')
  await expect(moveUnits(dying, ids, ['validate'])).rejects.toThrow('killed')
  expect(await state()).toBe(before)
  await runJobs(life)
  expect(await unitStates(life)).toBe('valid published, valid published')
  expect(await balance(life, `host:${a}`)).toBe(20)
})

test('a proposer that is killed creates no half experiment and charges nothing twice', async () => {
  const { id } = await submit(life, { runs: 4 }, [])
  const before = await state()
  await expect(runPropose({ ...life.deps, enqueue: killed }, [id])).rejects.toThrow('killed')
  expect(await state()).toBe(before)
  await runJobs(life)
  expect(await unitStates(life)).toBe('open, open, open, open')
})

test('what one role asks of another waits in the row of the unit', async () => {
  await submit(life, { runs: 1 })
  const [a, b] = [await addHost(life), await addHost(life)]
  await reportOnly(life, a, await take(life, a))
  await reportOnly(life, b, await take(life, b))
  const awaited = `select awaits from work_units`
  expect(await moveDueUnits(life.deps, ['validate', 'assimilate'])).toEqual([])
  await moveDueUnits(life.deps, ['transition'])
  expect(await rows(life, awaited)).toEqual([{ awaits: 'validate' }])
  expect(await moveDueUnits(life.deps, ['assimilate'])).toEqual([])
  await moveDueUnits(life.deps, ['validate'])
  expect(await unitStates(life)).toBe('valid')
  await moveDueUnits(life.deps, ['transition'])
  expect(await rows(life, awaited)).toEqual([{ awaits: 'assimilate' }])
  await moveDueUnits(life.deps, ['assimilate'])
  expect(await unitStates(life)).toBe('valid published')
  expect(await rows(life, awaited)).toEqual([{ awaits: null }])
})

/** In one statement: a result is of its unit's class, or of none. */
const computedBy = (engineClass: string, id: string) =>
  life.knex.raw(
    `with theirs as (update results set engine_class = :engineClass where work_unit_id = :id and engine_class is not null)
     update work_units set engine_class = :engineClass where id = :id`,
    { engineClass, id },
  )

test('a poison unit stops only itself: it is logged, put off, shown to the operator once, and done when the code is mended', async () => {
  await submit(life, { runs: 3 })
  const [a, b] = [await addHost(life), await addHost(life)]
  const [first, poison] = await unitIds()
  await reportOnly(life, a, await take(life, a, 3))
  await reportOnly(life, b, await take(life, b, 3))
  await computedBy('abacus', poison!)
  await runJobs(life)
  expect(await unitStates(life)).toBe('valid published, open, valid published')
  expect(life.logged.filter(line => line.level === 'error')).toMatchObject([
    {
      message: 'a work unit failed',
      facts: { ids: [poison], error: expect.stringContaining('Invalid option') },
    },
  ])
  expect(await moveDueUnits(life.deps)).toEqual([])
  await wait(life, 5 * 60_000)
  expect(await unitStates(life)).toBe('valid published, open, valid published')
  const { letters } = await readLetters(life.knex)
  const said = expect.stringMatching(/^\[ .*Invalid option/)
  expect(letters).toMatchObject([{ subject: poison, daemon: 'units', count: 1, error: said }])
  expect(first).not.toBe(poison)
  await computedBy('wasm', poison!) // the bug is mended
  await wait(life, 5 * 60_000)
  expect(await unitStates(life)).toBe('valid published, valid published, valid published')
})

/** An act of whoever is at the machine. */
const doAct = (act: Act) =>
  performCounted({ ...life.deps, wake: life.wake, ids: { ...testIds } }, { act, reason: 'mended' }, 9)

test('a letter is requeued once its cause is mended, with its row in the audit log, and the unit is looked at again at once', async () => {
  await submit(life, { runs: 1 })
  const [a, b] = [await addHost(life), await addHost(life)]
  const [poison] = await unitIds()
  await reportOnly(life, a, await take(life, a))
  await reportOnly(life, b, await take(life, b))
  await computedBy('abacus', poison!)
  await runJobs(life)
  const act: Act = { kind: 'requeue_letters', subjects: [poison!] }
  expect(await doAct(act)).toMatchObject({ touched: 1, reason: 'mended', undoUntil: null })
  await runJobs(life)
  expect(await readLetters(life.knex)).toMatchObject({ letters: [{ subject: poison }] }) // nothing was mended
  await computedBy('wasm', poison!)
  await doAct(act)
  await runJobs(life)
  expect(await unitStates(life)).toBe('valid published')
  expect(await readLetters(life.knex)).toEqual({ letters: [] })
  await expect(doAct(act)).rejects.toMatchObject({ code: 'act_pointless' })
})

test('a wake-up that failed on every retry is a letter with what was thrown; discarded, it is gone', async () => {
  const { id } = await submit(life, { runs: 1 })
  for (const error of ['first', 'the last']) {
    await life.boss.insert('propose', [{ data: { id }, retryLimit: 0 }])
    const [job] = await life.boss.fetch('propose')
    await life.boss.fail('propose', job!.id, { error })
  }
  const { letters } = await readLetters(life.knex)
  expect(letters).toMatchObject([{ subject: id, daemon: 'propose', count: 2, error: 'the last' }])
  expect(await doAct({ kind: 'discard_letters', subjects: [id] })).toMatchObject({ touched: 1 })
  expect(await readLetters(life.knex)).toEqual({ letters: [] })
})

test('a report whose bytes rotted in the database is invalid, and its replacement is asked for', async () => {
  await submit(life, { runs: 1 })
  const [a, b] = [await addHost(life), await addHost(life)]
  await reportOnly(life, a, await take(life, a))
  await reportOnly(life, b, await take(life, b))
  await life.knex.raw(`update results set report = replace(report, '987', '986') where host_id = :a`, { a })
  await life.knex.raw(`update results set report = replace(report, 'curve', 'curse') where host_id = :a`, {
    a,
  })
  await runJobs(life)
  expect(await story(life)).toBe('invalid, pending, unsent')
  const [{ detail }] = await rows(life, `select detail from host_events where event = 'invalid'`)
  expect(detail).toContain('report.curve')
})

test('two servers at work on the same units pay each result once and lose none', async () => {
  await submit(life, { runs: 60 })
  const hosts = [await addHost(life), await addHost(life)]
  const pending: [HostId, ResultId[]][] = []
  for (const host of hosts) pending.push([host, await take(life, host, 60)])
  await Promise.all([
    ...pending.map(async ([host, ids]) => {
      for (let at = 0; at < ids.length; at += 5) await reportOnly(life, host, ids.slice(at, at + 5))
    }),
    ...Array.from({ length: 3 }, () => runJobs(life)),
    ...Array.from({ length: 3 }, () => moveDueUnits(life.deps, undefined, 7)),
  ])
  await runJobs(life)
  await wait(life, 0)
  const counts = `select count(*) as n, sum(granted_milli)::int as milli from results where verdict = 'valid'`
  expect(await rows(life, counts)).toEqual([{ n: 120, milli: 1200 }])
  expect(await rows(life, `select count(*) as n from transfers where kind = 'grant'`)).toEqual([{ n: 120 }])
  expect(life.logged.filter(line => line.level === 'error')).toEqual([])
})

test('a unit that is reported while its handler waits for the lock is seen by it', async () => {
  await submit(life, { runs: 1 })
  const [a, b] = [await addHost(life), await addHost(life)]
  await report(life, a, await take(life, a))
  const mine = await take(life, b)
  const ids = await unitIds()
  let handler: Promise<void> | undefined
  await inTransaction(life.knex, async trx => {
    await lockWorkUnits(trx, ids)
    handler = moveUnits(life.deps, ids) // waits for us
    await trx.raw(
      `update results set state = 'over', outcome = 'error', error_code = 'killed' where id = any(:mine)`,
      { mine },
    )
  })
  await handler
  expect(await story(life)).toBe('pending, error, unsent')
})

test('each role runs alone, some twice, and together they bring a campaign to its end', async () => {
  const started = Date.now()
  const deps = { ...life.deps, now: () => life.now() } // the jobs' clock stands still: nothing here waits for a deadline
  const roles = [
    'transition',
    'validate',
    'validate',
    'assimilate',
    'standing',
    'propose',
    'cron',
    'cron',
  ] as const
  const running: { stop(): Promise<unknown> }[] = []
  for (const role of roles) {
    const { connectionString } = life.knex.client.config.connection
    const { leads, close } = openLeadership({ connectionString, lock: CRON_LOCK, name: role })
    running.push(await startJobs({ ...deps, boss: life.boss, roles: [role], leads }), { stop: close })
  }
  await submit(life, { runs: 2, policy: 'fixed' })
  const [a, b] = [await addHost(life), await addHost(life)]
  const created = `select count(*) as n from results where state = 'unsent'`
  await vi.waitFor(async () => expect(await rows(life, created)).toEqual([{ n: 4 }]), WAIT)
  // Both before any report: dispatch passes over units that the jobs are just looking at.
  const [taken, too] = [await take(life, a, 2), await take(life, b, 2)]
  await reportOnly(life, a, taken)
  await reportOnly(life, b, too)
  const finished = async () =>
    expect(await rows(life, `select state from campaigns`)).toEqual([{ state: 'finished' }])
  await vi.waitFor(finished, WAIT)
  for (const { stop } of running) await stop()
  expect(Date.now() - started).toBeLessThan(10_000)
})
const WAIT = { timeout: 10_000, interval: 20 }

test('a wake-up is undone with the transaction that asked for it', async () => {
  await submit(life, { runs: 1 })
  const ids = await unitIds()
  expect(await moveDueUnits(life.deps)).toEqual([])
  const failing = inTransaction(life.knex, async trx => {
    await life.wake.workUnits(trx, ids)
    throw new Error('no')
  })
  await expect(failing).rejects.toThrow('no')
  expect(await moveDueUnits(life.deps)).toEqual([])
  await inTransaction(life.knex, trx => life.wake.workUnits(trx, ids))
  expect(await moveDueUnits(life.deps)).toEqual(ids)
})
