import type { Knex } from 'knex'
import { checkLedger, type LedgerVerdict } from '#protocol/ledger-check.ts'
import { chainLines, countSmuggled, lastBlock } from '#store/blocks.ts'
import { type Audit, audit } from '#store/ledger.ts'
import { sha256Bytes } from './seal.ts'

export interface LedgerAudit extends Audit {
  /** What a check of the chain against the rows of today finds. */
  readonly chain: LedgerVerdict
  /** Rows that stand before the end of the chain and are in no block. */
  readonly smuggled: number
  readonly sound: boolean
}

/** Derives every balance again, and checks every sealed row against its block, in one snapshot. */
export function auditLedger(knex: Knex, publicKeys: readonly string[] = []): Promise<LedgerAudit> {
  return knex.transaction(
    async trx => {
      const found = await audit(trx)
      const check = checkLedger({ hash: sha256Bytes, publicKeys })
      for await (const lines of chainLines(trx)) for (const line of lines) check.add(line)
      const chain = await check.end()
      const last = await lastBlock(trx)
      const smuggled = last === undefined ? 0 : await countSmuggled(trx, last)
      return { ...found, chain, smuggled, sound: found.balanced && chain.ok && smuggled === 0 }
    },
    { isolationLevel: 'repeatable read' },
  )
}
