import { afterAll, beforeAll, beforeEach, describe, expect, test } from 'vitest'
import { sampleSymptoms } from '#jobs/sample.ts'
import { type Act, ActList, ActView, PreviewView } from '#protocol/acts.ts'
import { PREVIEW_MS, UNDO_MS } from '#protocol/limits.ts'
import { ErrorsView, ResultRows, SymptomsView, UserRows } from '#protocol/operator.ts'
import { OPERATOR_OPERATIONS } from '#protocol/operator-operations.ts'
import { ActionList } from '#protocol/people.ts'
import { addToken, addUser } from '#support/builders.ts'
import { type Scene, startScene } from '#support/scene.ts'
import type { Reply } from '#support/send.ts'
import { enrolHost } from '#support/server.ts'
import { submitted } from '#support/submitted.ts'

let scene: Scene
let server: Scene['server']
let operator: string
let other: string

beforeAll(async () => {
  scene = await startScene()
  server = scene.server
  const { knex } = server.database
  const boss = await addUser(knex, 'boss')
  operator = await addToken(knex, boss.id, { scopes: ['admin'] })
  other = await addToken(knex, (await addUser(knex, 'second')).id, { scopes: ['admin'] })
})
afterAll(() => server.close())
beforeEach(() => scene.clear())

const AT = '/api/v1/operator'
const ask = (method: string, path: string, body?: unknown, token: string | undefined = operator) =>
  server.call(method, `${AT}${path}`, { token, ...(body === undefined ? {} : { body }) })
const preview = async (act: Act): Promise<PreviewView> =>
  PreviewView.parse((await ask('POST', '/preview', { act })).json)
const perform = (act: Act, token: string, reason = 'a test'): Promise<Reply> =>
  ask('POST', '/acts', { act, reason, token })
const doIt = async (act: Act, reason?: string): Promise<ActView> =>
  ActView.parse((await perform(act, (await preview(act)).token, reason)).json)
const undo = (id: string, reason = 'by mistake') => ask('POST', `/acts/${id}/undo`, { reason })
const state = async (table: 'hosts' | 'work_units', id: string) => (await scene.row(table, id)).state

describe('only an operator', () => {
  test.each(OPERATOR_OPERATIONS)('$method $path', async ({ method, path }) => {
    const { knex } = server.database
    const volunteer = await addUser(knex, `v ${method}${path}`.slice(0, 60), { scopes: ['enrol'] })
    const researcher = await addToken(knex, volunteer.id, { scopes: ['campaign', 'kernel', 'verify'] })
    const host = await enrolHost(server)
    const address = path.replace(AT, '').replace('{id}', `o_${'0'.repeat(26)}`)
    const call = (token: string | undefined) =>
      server.call(method.toUpperCase(), `${AT}${address}`, {
        token,
        ...(method === 'post' ? { body: {} } : {}),
      })
    expect([(await call(undefined)).code, (await call(volunteer.token)).code]).toEqual([
      'token_missing',
      'scope_missing',
    ])
    expect([(await call(researcher)).code, (await call(host.token)).code]).toEqual([
      'scope_missing',
      'token_unknown',
    ])
    expect(['token_missing', 'scope_missing', 'token_unknown']).not.toContain((await call(operator)).code)
  })

  test('and not one whose account is blocked', async () => {
    const { id } = await addUser(server.database.knex, 'gone')
    const token = await addToken(server.database.knex, id, { scopes: ['campaign'] })
    await doIt({ kind: 'block_user', userId: id }, 'spam')
    expect((await server.call('GET', '/api/v1/me', { token })).code).toBe('account_blocked')
    const { acts } = ActList.parse((await ask('GET', `/acts?subject=${id}`)).json)
    expect((await undo(acts[0]!.id)).status).toBe(201)
    expect((await server.call('GET', '/api/v1/me', { token })).status).toBe(200)
  })
})

describe('an act', () => {
  test('needs its preview, is done once under it, and is in the audit log with its reason', async () => {
    const host = await enrolHost(server)
    const act = { kind: 'quarantine_host', hostId: host.id } as const
    const { token, touches, undoable } = await preview(act)
    expect([touches, undoable, await state('hosts', host.id)]).toEqual([1, true, 'active'])
    const release = { kind: 'release_host', hostId: host.id } as const
    expect((await perform(release, token)).code).toBe('preview_missing') // another act
    expect((await perform(act, `${token.slice(0, -1)}x`)).code).toBe('preview_missing')
    expect((await ask('POST', '/acts', { act, token, reason: 'x' }, other)).code).toBe('preview_missing')
    expect((await ask('POST', '/acts', { act, token, reason: ' ' })).code).toBe('bad_request')
    const [first, again] = await Promise.all([perform(act, token), perform(act, token)])
    expect([first.status, again.status, first.text]).toEqual([201, 201, again.text])
    expect(await state('hosts', host.id)).toBe('quarantined')
    const { acts } = ActList.parse((await ask('GET', `/acts?subject=${host.id}`)).json)
    expect(acts).toMatchObject([{ act, reason: 'a test', touched: 1, by: { name: 'boss' }, undoneBy: null }])
    const { actions } = ActionList.parse(
      (await server.call('GET', '/api/v1/actions', { token: operator })).json,
    )
    expect(actions[0]).toMatchObject({ kind: 'quarantine', actor: 'operator', hostIds: [host.id] })
    expect((await ask('POST', '/preview', { act })).code).toBe('act_pointless')
    const rotation = { kind: 'rotate_key', keyId: 'f'.repeat(64) } // the edge has no keys
    expect((await ask('POST', '/preview', { act: rotation })).code).toBe('act_pointless')
  })

  test('is taken back once, for ten minutes', async () => {
    const host = await enrolHost(server)
    const first = await doIt({ kind: 'quarantine_host', hostId: host.id })
    const [taken, again] = [await undo(first.id), await undo(first.id)]
    expect([taken.status, taken.text]).toEqual([201, again.text])
    expect(ActView.parse(taken.json)).toMatchObject({ undoes: first.id, act: { kind: 'release_host' } })
    expect(await state('hosts', host.id)).toBe('active')
    const second = await doIt({ kind: 'quarantine_host', hostId: host.id })
    server.advance(UNDO_MS + 1)
    expect((await undo(second.id)).code).toBe('undo_impossible')
    expect(await state('hosts', host.id)).toBe('quarantined')
  })

  test('does not outlive its preview, and never touches more than was shown', async () => {
    const { id, units } = await scene.campaign([{}, {}])
    const act = { kind: 'cancel_units', filter: { campaignId: id } } as const
    const old = await preview(act)
    server.advance(PREVIEW_MS + 1)
    expect((await perform(act, old.token)).code).toBe('preview_outdated')
    await server.database.knex.raw(
      `update work_units set state = 'cancelled', closed_at = now() where id = ?`,
      [units[0]!.id],
    )
    const { token } = await preview(act)
    await server.database.knex.raw(`update work_units set state = 'open', closed_at = null where id = ?`, [
      units[0]!.id,
    ])
    expect((await perform(act, token)).code).toBe('preview_outdated')
    expect(await state('work_units', units[1]!.id)).toBe('open')
  })
})

describe('work units by a filter', () => {
  test('are counted, then cancelled: what is leased may still be reported, the rest is not needed', async () => {
    const { id, units } = await scene.campaign([{}, {}])
    const elsewhere = await scene.campaign([{}])
    const host = await enrolHost(server)
    const { leases } = await host.ask({ want: 1 })
    const act = { kind: 'cancel_units', filter: { campaignId: id } } as const
    const shown = await preview(act)
    expect(shown).toMatchObject({ touches: 2, undoable: false })
    expect(shown.sample.map(({ id: unit }) => unit).sort()).toEqual(units.map(unit => unit.id).sort())
    server.woken.workUnits.length = 0
    expect(ActView.parse((await perform(act, shown.token)).json)).toMatchObject({ touched: 2 })
    expect(server.woken.workUnits.sort()).toEqual(units.map(unit => unit.id).sort())
    for (const unit of units) expect(await state('work_units', unit.id)).toBe('cancelled')
    expect(await scene.row('results', leases[0]!.resultId)).toMatchObject({ outcome: 'cancelled' })
    expect(await state('work_units', elsewhere.units[0]!.id)).toBe('open')
    expect((await ask('POST', '/preview', { act })).code).toBe('act_pointless')
  })

  test('lose the leases of one host, and are looked at again', async () => {
    const { id } = await scene.campaign([{}])
    const [slow, other] = [await enrolHost(server), await enrolHost(server)]
    const [held] = (await slow.ask({ want: 1 })).leases
    const [kept] = (await other.ask({ want: 1 })).leases
    const filter = { hostId: slow.id, state: 'in_progress', campaignId: id } as const
    expect(await doIt({ kind: 'requeue_units', filter })).toMatchObject({ touched: 1 })
    expect(await scene.row('results', held!.resultId)).toMatchObject({ outcome: 'cancelled' })
    expect(await scene.row('results', kept!.resultId)).toMatchObject({ state: 'in_progress' })
    expect(await doIt({ kind: 'unstick_units', filter: { campaignId: id } })).toMatchObject({ touched: 1 })
    expect((await ask('POST', '/preview', { act: { kind: 'revalidate_units', filter } })).code).toBe(
      'act_pointless', // none stands
    )
    expect((await ask('POST', '/preview', { act: { kind: 'cancel_units', filter: {} } })).code).toBe(
      'bad_request',
    )
  })
})

test('a deprecated kernel takes no campaign, and takes them again', async () => {
  const { token } = await addUser(server.database.knex, 'rich', { milli: 1e6 })
  const act = await doIt({ kind: 'deprecate_kernel', kernel: 'tiny@0' }, 'a bug')
  await expect(submitted(server, token)).rejects.toThrow()
  expect((await server.call('GET', '/api/v1/kernels')).text).toContain('"deprecated":true')
  await undo(act.id)
  const path = await submitted(server, token)
  const campaignId = path.split('/').at(-1) as never
  await doIt({ kind: 'pause_campaign', campaignId })
  expect((await server.call('GET', path)).json).toMatchObject({ state: 'paused' })
  await doIt({ kind: 'end_campaign', campaignId }, 'enough')
  expect((await server.call('GET', path)).json).toMatchObject({ end: { by: 'operator', reason: 'enough' } })
})

test('an account has roles and a quota; the last operator stays, and a former one keeps no token', async () => {
  const { knex } = server.database
  const { id, token } = await addUser(knex, 'ops', { milli: 1e6 })
  await doIt({ kind: 'set_roles', userId: id, roles: ['operator'] })
  const roles: Act = { kind: 'set_roles', userId: id, roles: ['researcher'] }
  expect((await ask('POST', '/preview', { act: roles })).code).toBe('last_operator')
  const second = await addUser(knex, 'ops-2')
  await doIt({ kind: 'set_roles', userId: second.id, roles: ['operator', 'volunteer'] })
  const admin = await addToken(knex, id, { scopes: ['admin'] })
  expect((await ask('POST', '/preview', { act: { kind: 'block_user', userId: id } })).code).toBe(
    'last_operator',
  )
  await doIt(roles)
  expect((await ask('GET', '/symptoms', undefined, admin)).code).toBe('token_expired')
  await doIt({ kind: 'set_quota', userId: id, campaigns: 1, experiments: null })
  await submitted(server, token)
  await expect(submitted(server, token)).rejects.toThrow()
  const { users } = UserRows.parse((await ask('GET', '/users?q=ops')).json)
  expect(users.find(user => user.id === id)).toMatchObject({ campaignsOpenMax: 1, campaignsOpen: 1 })
})

test('symptoms, errors and the results behind them are what the tables hold', async () => {
  const { id } = await scene.campaign([{ quorum: 1 }, { quorum: 1 }, { quorum: 1 }])
  const host = await enrolHost(server)
  const [lost, held] = (await host.ask({ want: 2 })).leases
  const error = {
    resultId: lost!.resultId,
    outcome: 'error',
    code: 'out_of_memory',
    detail: '<b>4 GiB</b>',
    cpuMs: 5,
  }
  const heldNow = [{ resultId: held!.resultId, fraction: 0.5 }]
  const told = await host.ask({ reports: [error], held: heldNow })
  expect(told.reports[0]).toMatchObject({ outcome: 'accepted' })
  server.advance(3_000) // the count that is kept for a moment is over
  const deps = { knex: server.database.knex, now: server.now }
  await Promise.all([sampleSymptoms(deps), sampleSymptoms(deps)]) // of two processes one does
  const view = SymptomsView.parse((await ask('GET', '/symptoms')).json)
  const { results } = ResultRows.parse((await ask('GET', `/results?campaignId=${id}&state=over`)).json)
  expect(results).toMatchObject([{ error: 'out_of_memory', detail: '<b>4 GiB</b>', hostId: host.id }])
  const count = async (query: string) =>
    ResultRows.parse((await ask('GET', `/results?${query}&limit=1000`)).json).results.length
  expect(view.results.unsent).toBe(await count('state=unsent'))
  expect(view.results.inProgress).toBe(await count('state=in_progress'))
  expect(view.ledger).toMatchObject({ balanced: true, sumMilli: 0 })
  const { unsent, inProgress } = view.results
  expect(view.samples).toMatchObject([{ unsent, inProgress, failed: view.lastHour.error, deadLetters: 0 }])
  expect(view.lastHour.error).toBeGreaterThan(0)
  expect(view.requests.minutes.length).toBeGreaterThan(0)
  const { rows } = ErrorsView.parse((await ask('GET', '/errors?hours=1')).json)
  const [row] = rows.filter(r => r.error === 'out_of_memory')
  expect(row).toMatchObject({
    kernel: 'tiny@0',
    engineClass: 'wasm',
    count: await count('error=out_of_memory'),
  })
  for (const path of ['/hosts', '/suspects', '/appeals', '/alerts', '/letters', '/limits'])
    expect((await ask('GET', path)).status, path).toBe(200)
})
