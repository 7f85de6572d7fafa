import type { RequestHandler } from 'express'
import { z } from 'zod'
import { OVERRUN_DAILY_MILLI } from '#domain/grants.ts'
import { CHECKING_SHARE, PRICES, priceOfGflop } from '#domain/prices.ts'
import type { LedgerSummary } from '#protocol/campaign.ts'
import type { LedgerEntry, PriceList, Receipt } from '#protocol/credits.ts'
import { EngineClass } from '#protocol/engine.ts'
import type { LedgerBlock, LedgerHeads, LedgerLine } from '#protocol/ledger.ts'
import { PAGE_ROWS_MAX } from '#protocol/limits.ts'
import { ResultId, toWire } from '#protocol/units.ts'
import { chainLines, headsAfter, listHeads, readSealed } from '#store/blocks.ts'
import { countAlerts } from '#store/inspection.ts'
import { type EntryRow, findPaid, type PaidRow, transfersOfResult } from '#store/receipts.ts'
import { readAccounts, readLedgerState } from '#store/views.ts'
import type { Edge } from './edge.ts'
import { parse, Refused } from './problem.ts'
import { stream } from './stream.ts'

/** GET /prices */
export function showPrices(): RequestHandler {
  const view: PriceList = {
    prices: [
      ...EngineClass.options.map(engineClass => ({ engineClass, ...PRICES[engineClass] })),
      // What the kernel computes of a campaign whose budget counts FLOPs.
      { engineClass: 'wasm', milli: 1_000 * priceOfGflop('wasm'), per: 'TFLOP' },
    ],
    checkingShare: CHECKING_SHARE,
  }
  return (_req, res) => void res.json(view)
}

const ACCOUNTS_SHOWN = 1_000

/** GET /ledger/summary */
export function showLedger(edge: Edge): RequestHandler {
  return async (_req, res) => {
    const { sumMilli, overrunTodayMilli, ...counts } = await readLedgerState(edge.knex, edge.now())
    const [head] = await listHeads(edge.knex, { before: null, limit: 1 })
    const view: LedgerSummary = {
      sumMilli,
      ...counts,
      accounts: await readAccounts(edge.knex, ACCOUNTS_SHOWN),
      balanced: sumMilli === 0,
      overrun: { todayMilli: overrunTodayMilli, capMilli: OVERRUN_DAILY_MILLI },
      alerts: await countAlerts(edge.knex),
      head: head ?? null,
    }
    res.json(view)
  }
}

const HEADS_DEFAULT = 100
const HeadsPage = z.strictObject({
  limit: z.coerce.number().int().min(1).max(PAGE_ROWS_MAX).default(HEADS_DEFAULT),
  before: z.coerce.number().int().min(1).optional(),
})

/** GET /ledger/heads?before=&limit= */
export function showHeads(edge: Edge): RequestHandler {
  return async (req, res) => {
    const page = parse(HeadsPage, req.query)
    const heads = await listHeads(edge.knex, { before: page.before ?? null, limit: page.limit })
    const oldest = heads.at(-1)?.statement.number ?? 1
    const view: LedgerHeads = { heads, nextBefore: oldest > 1 ? oldest : null }
    res.json(view)
  }
}

const BlockNumber = z.coerce.number().int().min(1)

/** GET /ledger/blocks/:number */
export function showBlock(edge: Edge): RequestHandler {
  return async (req, res) => {
    const number = parse(BlockNumber, req.params.number, 'not_found')
    const [block] = await headsAfter(edge.knex, { after: number - 1, limit: 1 })
    if (block?.statement.number !== number) throw new Refused('not_found', `block ${number}`)
    const view: LedgerBlock = { block, rows: await readSealed(edge.knex, block) }
    res.json(view)
  }
}

/** GET /ledger/export: every sealed row, block by block, a LedgerLine a line. */
export function exportLedger(edge: Edge): RequestHandler {
  return async (_req, res) => {
    res.setHeader('content-type', 'application/x-ndjson')
    res.setHeader('content-disposition', 'attachment; filename="ledger.ndjson"')
    await stream(res, textOf(chainLines(edge.knex)))
  }
}

async function* textOf(lines: AsyncIterable<readonly LedgerLine[]>): AsyncGenerator<string> {
  for await (const some of lines) yield some.map(line => `${JSON.stringify(line)}\n`).join('')
}

/** GET /results/:id/receipt: what a result earned, and why. */
export function showReceipt(edge: Edge): RequestHandler {
  return async (req, res) => {
    const id = parse(ResultId, req.params.id, 'not_found')
    const paid = await findPaid(edge.knex, id)
    if (paid === undefined) throw new Refused('not_found', `result ${id}`)
    if (!paid.published) throw new Refused('embargoed')
    if (paid.verdict === null || paid.fuelUsed === null)
      throw new Refused('not_found', `${id} ended without a report`)
    const transfers = (await transfersOfResult(edge.knex, id)).map(entryOf)
    const view: Receipt = {
      ...{ resultId: id, campaignId: paid.campaignId, verdict: paid.verdict, fuelUsed: paid.fuelUsed },
      fuelPaid: Math.min(paid.fuelUsed, paid.fuelMax),
      ...{ priceMilliPerGfuel: paid.priceMilliPerGfuel, per: paid.per, engineClass: paid.engineClass },
      level: levelOf(paid),
      ...stateOf(transfers),
      transfers,
    }
    res.json(view)
  }
}

/** A stored transfer as it is shown. */
export const entryOf = ({ createdAt, id: _, grants, ...entry }: EntryRow): LedgerEntry => ({
  ...entry,
  ...(grants === null ? {} : { grants }),
  at: toWire(createdAt),
})

function levelOf({ verdict, trusted, hasTrustedEqual, hasEqual }: PaidRow): Receipt['level'] {
  if (verdict !== 'valid') return null
  if (trusted || hasTrustedEqual) return 'V3'
  return hasEqual ? 'V2' : 'alone'
}

/** Where the pay of a result stands after its last transfer of each kind. */
function stateOf(transfers: readonly LedgerEntry[]): Pick<Receipt, 'state' | 'paidMilli'> {
  let state: Receipt['state'] = 'unpaid'
  let paidMilli = 0
  for (const { kind, amountMilli } of transfers) {
    if (kind === 'grant') {
      state = 'held'
      paidMilli = amountMilli
    }
    if (kind === 'vest' || kind === 'restore') state = 'final'
    if (kind === 'reverse') state = 'reversed'
  }
  return { state, paidMilli: state === 'reversed' ? 0 : paidMilli }
}
