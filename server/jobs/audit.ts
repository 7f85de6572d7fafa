import type { Knex } from 'knex'
import { sha256Bytes } from '#domain/hash.ts'
import type { LedgerHead } from '#protocol/ledger.ts'
import { checkLedger, type LedgerVerdict } from '#protocol/ledger-check.ts'
import { chainLines, countDangling, countSmuggled, headsAfter } from '#store/blocks.ts'
import type { Trx } from '#store/database.ts'
import { type Audit, audit } from '#store/ledger.ts'

export interface ChainAudit {
  /** What a check of the chain against the rows of today finds. */
  readonly chain: LedgerVerdict
  /** Rows that stand before the end of what was checked and are in no block. */
  readonly smuggled: number
  /** Rows of what was checked that name a result or a campaign which is not there: no reference holds them (decision 0055). */
  readonly dangling: number
}

export interface LedgerAudit extends Audit, ChainAudit {
  readonly sound: boolean
}

const ALL = { blocks: Infinity, rows: Infinity }

/** Derives every balance again, and checks every sealed row against its block, in one snapshot. */
export function auditLedger(knex: Knex, publicKeys: readonly string[] = []): Promise<LedgerAudit> {
  return inSnapshot(knex, async trx => {
    const found = await audit(trx)
    const sealed = await checkBlocks(trx, 0, ALL, publicKeys)
    const { chain, smuggled, dangling } = sealed
    return { ...found, ...sealed, sound: found.balanced && chain.ok && smuggled + dangling === 0 }
  })
}

/** Derives every balance again, in one snapshot. */
export const auditBalances = (knex: Knex): Promise<Audit> => inSnapshot(knex, audit)

/** At most so much of the chain: whole blocks, until one of both is reached. */
export interface Portion {
  readonly blocks: number
  readonly rows: number
}

/** Checks the sealed rows of a portion of the chain after block `after`, in one snapshot. */
export const auditBlocks = (knex: Knex, after: number, portion: Portion): Promise<ChainAudit> =>
  inSnapshot(knex, trx => checkBlocks(trx, after, portion))

async function checkBlocks(
  trx: Trx,
  after: number,
  { blocks, rows }: Portion,
  publicKeys: readonly string[] = [],
): Promise<ChainAudit> {
  const check = checkLedger({ hash: sha256Bytes, after: await headOf(trx, after), publicKeys })
  let read = 0
  for await (const lines of chainLines(trx, { after, blocks })) {
    for (const line of lines) check.add(line)
    read += lines.length - 1 // the first is the block
    if (read >= rows) break
  }
  const chain = await check.end()
  const through = chain.head?.number
  if (through === undefined) return { chain, smuggled: 0, dangling: 0 }
  const smuggled = await countSmuggled(trx, { after, through })
  return { chain, smuggled, dangling: await countDangling(trx, { after, through }) }
}

const headOf = async (trx: Trx, block: number): Promise<LedgerHead | undefined> =>
  block === 0 ? undefined : (await headsAfter(trx, { after: block - 1, limit: 1 }))[0]

const inSnapshot = <T>(knex: Knex, look: (trx: Trx) => Promise<T>): Promise<T> =>
  knex.transaction(look, { isolationLevel: 'repeatable read' })
