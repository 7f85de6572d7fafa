import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { sha256Bytes } from '#domain/hash.ts'
import { type Payee, reserve, userAccount } from '#domain/ledger.ts'
import { pay } from '#jobs/pay.ts'
import { sealAll } from '#jobs/seal.ts'
import { generateKey, type SigningKey } from '#kernels/sign.ts'
import { LedgerSummary, MeView } from '#protocol/campaign.ts'
import { PriceList, Receipt } from '#protocol/credits.ts'
import { HostView } from '#protocol/host.ts'
import { LedgerBlock, LedgerHeads } from '#protocol/ledger.ts'
import { checkLedger } from '#protocol/ledger-check.ts'
import type { CampaignId, HostId, ResultId, UserId, WorkUnitId } from '#protocol/units.ts'
import { inTransaction } from '#store/database.ts'
import { post } from '#store/ledger.ts'
import { addCampaign, addUser, runReport, T0 } from '#support/builders.ts'
import { enrolHost, startServer, type TestHost, type TestServer } from '#support/server.ts'

let server: TestServer
let key: SigningKey
let volunteer: { id: UserId; token: string }
let mine: TestHost
let anonymous: TestHost
let campaign: { id: CampaignId; unit: WorkUnitId }
let resultIds: { mine: ResultId; anonymous: ResultId }

const EARNED = 10 // 0.99 Gfuel, rounded up
const get = (path: string, token?: string) => server.call('GET', path, { token })
const knex = () => server.database.knex

/** Seals until nothing is left: transactions of other tests may hold it up for a moment. */
async function seal(): Promise<void> {
  const left = async () =>
    (
      await knex().raw(
        'select (select count(*) from transfers) - (select coalesce(sum(cardinality(ids)), 0) from blocks) as n',
      )
    ).rows[0].n
  for (let tries = 0; (await left()) > 0 && tries < 1_000; tries++) {
    await sealAll({ knex: knex(), keyIn: async () => key, serverId: server.serverId, now: server.now })
    await new Promise(resolve => setTimeout(resolve, 5))
  }
}

beforeAll(async () => {
  server = await startServer()
  key = await generateKey()
  const owner = await addUser(knex(), 'ada', { milli: 1_000 })
  volunteer = await addUser(knex(), 'rosa')
  mine = await enrolHost(server, { token: volunteer.token })
  anonymous = await enrolHost(server)
  const made = await addCampaign(knex(), server, owner.id, [{ quorum: 2 }])
  campaign = { id: made.id, unit: made.units[0]!.id }
  const reserved = reserve({ campaignId: made.id, userId: owner.id, amountMilli: 100 })
  await inTransaction(knex(), trx => post(trx, [reserved], T0))
})
afterAll(() => server.close())

test('the price list is public', async () => {
  const { prices, checkingShare } = PriceList.parse((await get('/api/v1/prices')).json)
  expect(checkingShare).toBe(0.1)
  expect(prices.map(({ engineClass, per }) => `${engineClass} ${per}`)).toEqual([
    ...['wasm Gfuel', 'onnx-wasm TFLOP', 'onnx-cpu TFLOP', 'onnx-cuda TFLOP', 'onnx-webgpu TFLOP'],
    'wasm TFLOP',
  ])
})

describe('credit on its way', () => {
  const report = async (host: TestHost) => {
    const [lease] = (await host.ask({ want: 1 })).leases
    const reply = await host.ask({ reports: [await host.report(lease!.resultId, runReport())] })
    return { resultId: lease!.resultId, credit: reply.credit }
  }

  test('is pending in the very reply that accepts a report, for its host, its user and its page', async () => {
    const [a, b] = [await report(mine), await report(anonymous)]
    resultIds = { mine: a.resultId, anonymous: b.resultId }
    for (const { credit } of [a, b])
      expect(credit).toEqual({ balanceMilli: 0, heldMilli: 0, pendingMilli: EARNED })
    const me = MeView.parse((await get('/api/v1/me', volunteer.token)).json)
    expect(me).toMatchObject({ balanceMilli: 0, heldMilli: 0, pendingMilli: EARNED, entries: [] })
    const page = HostView.parse((await mine.say('GET', `/api/v1/hosts/${mine.id}`)).json)
    expect(page.credit).toEqual({ balanceMilli: 0, heldMilli: 0, pendingMilli: EARNED })
  })

  test('is held or final with the verdict', async () => {
    const grant = (resultId: ResultId, hostId: HostId, payee: Payee) => ({
      ...{ resultId, decision: 0, campaignId: campaign.id, hostId, payee, amountMilli: EARNED },
    })
    const grants = [
      grant(resultIds.mine, mine.id, userAccount(volunteer.id)),
      grant(resultIds.anonymous, anonymous.id, `host:${anonymous.id}`),
    ]
    await inTransaction(knex(), async trx => {
      await trx.raw(`update results set verdict = 'valid', decision = 1, granted_milli = ${EARNED},
        granted_decision = 0 where work_unit_id = '${campaign.unit}'`)
      await pay(trx, { grants, vestNow: new Set([resultIds.anonymous]) }, server.now())
    })
    expect((await mine.ask()).credit).toEqual({ balanceMilli: 0, heldMilli: EARNED, pendingMilli: 0 })
    expect((await anonymous.ask()).credit).toEqual({ balanceMilli: EARNED, heldMilli: 0, pendingMilli: 0 })
    const me = MeView.parse((await get('/api/v1/me', volunteer.token)).json)
    expect(me).toMatchObject({ balanceMilli: 0, heldMilli: EARNED, pendingMilli: 0, owedMilli: 0 })
    expect(me.entries).toMatchObject([{ kind: 'grant', resultId: resultIds.mine, block: null }])
  })
})

describe('a receipt', () => {
  const receipt = (id: string) => get(`/api/v1/results/${id}/receipt`)

  test('is under embargo as its result is', async () => {
    expect(await receipt(resultIds.mine)).toMatchObject({ status: 409, code: 'embargoed' })
    expect(await receipt('r_00000000000000000000000000')).toMatchObject({ status: 404, code: 'not_found' })
    expect(await receipt('nonsense')).toMatchObject({ status: 404, code: 'not_found' })
  })

  test('says what was paid for what, at which level, and which block has it', async () => {
    await knex().raw(
      `update work_units set state = 'valid', canonical_result_id = :id, closed_at = now(), published_at = now()
       where id = :unit`,
      { id: resultIds.mine, unit: campaign.unit },
    )
    await seal()
    const held = Receipt.parse((await receipt(resultIds.mine)).json)
    expect(held).toMatchObject({
      ...{ resultId: resultIds.mine, campaignId: campaign.id, verdict: 'valid', fuelUsed: 987_654_321 },
      ...{ fuelPaid: 987_654_321, priceMilliPerGfuel: 10, level: 'V2', state: 'held', paidMilli: EARNED },
      transfers: [{ kind: 'grant', amountMilli: EARNED, credit: `held:user:${volunteer.id}` }],
    })
    const { block } = held.transfers[0]!
    const shown = LedgerBlock.parse((await get(`/api/v1/ledger/blocks/${block}`)).json)
    expect(shown.rows.map(({ row }) => row?.key)).toContain(`grant:${resultIds.mine}:0`)
    expect(Receipt.parse((await receipt(resultIds.anonymous)).json)).toMatchObject({ state: 'final' })
  })

  test('names a trusted re-run, a result that stands alone, and credit that was taken back', async () => {
    const level = async () => Receipt.parse((await receipt(resultIds.mine)).json).level
    const other = (sql: string) => knex().raw(`update results set ${sql} where id = '${resultIds.anonymous}'`)
    await other('trusted = true')
    expect(await level()).toBe('V3')
    await other(`trusted = false, verdict = 'invalid', granted_milli = 0, granted_decision = null`)
    expect(await level()).toBe('alone')
    const reversal = { resultId: resultIds.mine, decision: 0, campaignId: campaign.id, amountMilli: EARNED }
    const reversals = [{ ...reversal, hostId: mine.id, payee: userAccount(volunteer.id), vested: false }]
    await inTransaction(knex(), trx => pay(trx, { reversals }, server.now()))
    expect(Receipt.parse((await receipt(resultIds.mine)).json)).toMatchObject({
      ...{ state: 'reversed', paidMilli: 0 },
      transfers: [{ kind: 'grant' }, { kind: 'reverse' }, { kind: 'forfeit' }],
    })
  })
})

describe('the chain', () => {
  test('shows its heads, newest first, page by page, and its blocks', async () => {
    await seal()
    const all = LedgerHeads.parse((await get('/api/v1/ledger/heads')).json)
    expect(all.heads.length).toBeGreaterThan(1)
    expect(all.nextBefore).toBeNull()
    const newest = LedgerHeads.parse((await get('/api/v1/ledger/heads?limit=1')).json)
    expect(newest.heads).toEqual(all.heads.slice(0, 1))
    const next = LedgerHeads.parse(
      (await get(`/api/v1/ledger/heads?limit=1&before=${newest.nextBefore}`)).json,
    )
    expect(next.heads).toEqual(all.heads.slice(1, 2))
    expect(await get('/api/v1/ledger/blocks/99')).toMatchObject({ status: 404, code: 'not_found' })
    expect(await get('/api/v1/ledger/heads?limit=0')).toMatchObject({ status: 400, code: 'bad_request' })
  })

  test('is exported as it was sealed, and ends with the head of the summary', async () => {
    const { head, ...summary } = LedgerSummary.parse((await get('/api/v1/ledger/summary')).json)
    expect(summary).toMatchObject({
      balanced: true,
      overrun: { todayMilli: 0 },
      debtsMilli: 0,
      deferredMilli: 0,
    })
    const { text, headers } = await get('/api/v1/ledger/export')
    expect(headers.get('content-type')).toContain('application/x-ndjson')
    const check = checkLedger({ hash: sha256Bytes, head: head!, publicKeys: [key.publicKey] })
    for (const line of text.trimEnd().split('\n')) check.line(line)
    expect(await check.end()).toMatchObject({ ok: true, end: 'proven', rows: summary.transfers })
  })
})
