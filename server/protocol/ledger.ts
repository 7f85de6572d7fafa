import { z } from 'zod'
import { canonicalJson, utf8 } from './canonical.ts'
import { type Hash, hashNow, LEAF, rootOf, treeOver } from './merkle.ts'
import { SignatureText } from './signature.ts'
import { Sha256, WireInstant } from './units.ts'

// The chain of the ledger: rows in numbered blocks, each block the root of a Merkle tree over its rows and the hash of
// the block before it. Who kept a head can tell whether anything up to it was changed. The hash function comes from
// outside: 100,000 rows are too many for WebCrypto's promises.

/**
 * Only of kind `vest`: the grants that it makes final, each as `result:decision`, which is the end of its key (`grant:result:decision`).
 * The amount is what all of them moved. What was sealed before there was this field is of one grant, the one that ends its own key.
 */
export const Grants = z.array(z.string()).min(1).optional()

/** One transfer, as it is sealed and exported. */
export const LedgerRow = z.strictObject({
  id: z.int(),
  key: z.string(),
  kind: z.string(),
  debit: z.string(),
  credit: z.string(),
  amountMilli: z.int(),
  campaignId: z.string().nullable(),
  resultId: z.string().nullable(),
  grants: Grants,
  reason: z.string().nullable(),
  at: WireInstant,
})
export type LedgerRow = z.infer<typeof LedgerRow>

/** What is signed of a block. `rows` counts those of all blocks up to this one. */
export const BlockStatement = z.strictObject({
  type: z.literal('xeenet/ledger-block/1'),
  serverId: z.string(),
  keyId: Sha256,
  number: z.int().min(1),
  previous: Sha256.nullable(),
  root: Sha256,
  count: z.int().min(1),
  rows: z.int().min(1),
  sealedAt: WireInstant,
})
export type BlockStatement = z.infer<typeof BlockStatement>

/** A head of the chain: keep one, and nobody can change what came before it without your noticing. */
export const LedgerHead = z.object({ statement: BlockStatement, hash: Sha256, signature: SignatureText })
export type LedgerHead = z.infer<typeof LedgerHead>

/** A row with its place in the chain and its hash when it was sealed; null when somebody deleted it since. */
export const SealedRow = z.object({ n: z.int().min(1), leaf: Sha256, row: LedgerRow.nullable() })
export type SealedRow = z.infer<typeof SealedRow>

/** A line of an export: a block, then its rows. */
export const LedgerLine = z.union([SealedRow, z.object({ block: LedgerHead })])
export type LedgerLine = z.infer<typeof LedgerLine>

/** GET /api/v1/ledger/heads: newest first. */
export const LedgerHeads = z.object({ heads: z.array(LedgerHead), nextBefore: z.int().nullable() })
export type LedgerHeads = z.infer<typeof LedgerHeads>

/** GET /api/v1/ledger/blocks/:number */
export const LedgerBlock = z.object({ block: LedgerHead, rows: z.array(SealedRow) })
export type LedgerBlock = z.infer<typeof LedgerBlock>

const sha = (bytes: Uint8Array): Sha256 => Sha256.parse(bytes.toHex())

const PREFIX = String.fromCharCode(LEAF)

/** The hash of a row: SHA-256 of a zero byte and its RFC 8785 text, as RFC 6962 has it. */
export const leafOf = (row: LedgerRow, hash: Hash): Sha256 => sha(hash(PREFIX + rfc8785Of(row)))

// As `canonicalJson` would, in a fifth of its time: all that a row takes is its fields in this order, and each row is sealed.
function rfc8785Of(row: LedgerRow): string {
  const { amountMilli, at, campaignId, credit, debit, grants, id, key, kind, reason, resultId } = row
  return JSON.stringify({
    amountMilli,
    at,
    campaignId,
    credit,
    debit,
    grants,
    id,
    key,
    kind,
    reason,
    resultId,
  })
}

/** The Merkle tree hash of RFC 6962 over at least one leaf; `leaves` are 64 hexadecimal digits each. */
export function merkleRoot(leaves: readonly Sha256[], hash: Hash): Sha256 {
  const root = rootOf(hashNow(treeOver(leaves.map(leaf => Uint8Array.fromHex(leaf))), hash))
  if (root === undefined) throw new RangeError('a tree has at least one leaf')
  return sha(root)
}

/** The bytes under a block's hash and its signature. */
export const statementBytes = (statement: BlockStatement): Uint8Array<ArrayBuffer> =>
  utf8(canonicalJson(statement))

/** The name of a block, which the next one repeats. */
export const hashOf = (statement: BlockStatement, hash: Hash): Sha256 => sha(hash(statementBytes(statement)))
