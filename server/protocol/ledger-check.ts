import { z } from 'zod'
import {
  type BlockStatement,
  hashOf,
  type LedgerHead,
  LedgerLine,
  type LedgerRow,
  leafOf,
  merkleRoot,
  type SealedRow,
  statementBytes,
} from './ledger.ts'
import type { Hash } from './merkle.ts'
import { fingerprint, verifyBytes } from './signature.ts'
import type { Sha256 } from './units.ts'

export const LedgerProblem = z.object({
  code: z.enum([
    ...(['line_unreadable', 'row_altered', 'row_missing', 'row_inserted', 'key_repeated'] as const),
    ...(['block_altered', 'block_missing', 'signature_invalid', 'history_rewritten', 'end_missing'] as const),
  ]),
  block: z.int().nullable(),
  row: z.int().nullable(),
  detail: z.string(),
})
export type LedgerProblem = z.infer<typeof LedgerProblem>

/** What a check of an export found. */
export interface LedgerVerdict {
  readonly ok: boolean
  readonly blocks: number
  readonly rows: number
  /** `proven`: the export ends with the head that was given. Without one, rows may be missing after its end. */
  readonly end: 'proven' | 'unproven'
  readonly signatures: 'checked' | 'unchecked'
  readonly problems: readonly LedgerProblem[]
  readonly head: { readonly number: number; readonly hash: Sha256 } | null
}

export interface LedgerCheck {
  /** A line of the export, in order. */
  line(text: string): void
  /** The same, read already. */
  add(line: LedgerLine): void
  end(): Promise<LedgerVerdict>
}

interface CheckOptions {
  readonly hash: Hash
  /** The head of the block before the first one that comes, where that is not the first of the chain. */
  readonly after?: LedgerHead | undefined
  /** A head kept elsewhere, or its hash. */
  readonly head?: LedgerHead | Sha256 | undefined
  /** The operator's public keys, of all that signed; without any signatures are not checked. */
  readonly publicKeys?: readonly string[] | undefined
}

// Whoever replaced everything need not be told so a hundred thousand times.
const PROBLEMS_MAX = 20

interface Chain {
  readonly hash: Hash
  readonly after: LedgerHead | undefined
  readonly problems: LedgerProblem[]
  readonly heads: LedgerHead[]
  readonly keys: Set<string>
  leaves: Sha256[] // of the block being read
  lines: number // rows read
  n: number // the place of the last row
}

/** Checks an export line by line: it holds the hashes of one block, and the keys of all rows. */
export function checkLedger({ hash, after, head, publicKeys = [] }: CheckOptions): LedgerCheck {
  const found = { problems: [], heads: [], keys: new Set<string>(), leaves: [], lines: 0 }
  const chain: Chain = { hash, after, ...found, n: after?.statement.rows ?? 0 }
  const add = (line: LedgerLine): void =>
    'block' in line ? openBlock(chain, line.block) : addRow(chain, line)
  return {
    add,
    line: text => {
      const line = readLine(text)
      if (line === undefined)
        note(chain, 'line_unreadable', chain.n + 1, `after row ${chain.n}: ${text.slice(0, 60)}`)
      else add(line)
    },
    end: async () => {
      closeBlock(chain)
      if (publicKeys.length > 0) chain.problems.push(...(await signatureFaults(chain.heads, publicKeys)))
      const fault = headFault(chain.heads, head)
      if (fault !== undefined) chain.problems.unshift(fault)
      return verdictOf(chain, head, publicKeys)
    },
  }
}

function note(
  { problems, heads }: Chain,
  code: LedgerProblem['code'],
  row: number | null,
  detail: string,
): void {
  const block = heads.at(-1)?.statement.number ?? null
  if (problems.length < PROBLEMS_MAX) problems.push({ code, block, row, detail })
}

function openBlock(chain: Chain, block: LedgerHead): void {
  closeBlock(chain)
  const before = chain.heads.at(-1) ?? chain.after
  chain.heads.push(block)
  const wrong = linkFault(before, block, chain.hash)
  if (wrong !== undefined) note(chain, wrong.code, null, wrong.detail)
}

function addRow(chain: Chain, { n, leaf, row }: SealedRow): void {
  if (chain.heads.length === 0) note(chain, 'block_missing', n, 'a row stands before the first block')
  if (n <= chain.n) note(chain, 'row_inserted', n, `row ${n} stands after row ${chain.n}`)
  noteMissing(chain, n - 1)
  chain.n = Math.max(chain.n, n)
  chain.lines++
  chain.leaves.push(leaf)
  if (row === null) {
    note(chain, 'row_missing', n, `row ${n} was deleted after it was sealed`)
  } else {
    if (leafOf(row, chain.hash) !== leaf)
      note(chain, 'row_altered', n, `row ${n} (${row.key}) is not as it was sealed`)
    for (const key of keysOf(row)) {
      if (chain.keys.has(key)) note(chain, 'key_repeated', n, `row ${n} repeats the key ${key}`)
      chain.keys.add(key)
    }
  }
}

/** Each may be used once: its key, of which a vest has one for each grant that it makes final. */
function keysOf({ key, kind, grants = [] }: LedgerRow): string[] {
  const ofGrants = grants.map(grant => `${kind}:${grant}`)
  return ofGrants[0] === key ? ofGrants : [key, ...ofGrants]
}

/** Notes that the rows after the last one, up to place `through`, are not there. */
function noteMissing(chain: Chain, through: number): void {
  const from = chain.n + 1
  if (through < from) return
  const detail = through === from ? `row ${from} is missing` : `rows ${from} to ${through} are missing`
  note(chain, 'row_missing', from, detail)
}

function closeBlock(chain: Chain): void {
  const last = chain.heads.at(-1)?.statement
  if (last === undefined) return
  noteMissing(chain, last.rows)
  if (chain.n > last.rows)
    note(chain, 'row_inserted', last.rows + 1, `the block was sealed to end at row ${last.rows}`)
  const found = chain.leaves.length
  if (found !== last.count)
    note(chain, 'block_altered', null, `it has ${found} rows, and was sealed with ${last.count}`)
  else if (merkleRoot(chain.leaves, chain.hash) !== last.root)
    note(chain, 'block_altered', null, 'its rows are not those that were sealed: their Merkle root differs')
  chain.n = last.rows
  chain.leaves = []
}

function readLine(text: string): LedgerLine | undefined {
  try {
    return LedgerLine.safeParse(JSON.parse(text)).data
  } catch {
    return undefined // not JSON: no line of an export
  }
}

function linkFault(
  before: LedgerHead | undefined,
  { statement, hash: name }: LedgerHead,
  hash: Hash,
): { code: LedgerProblem['code']; detail: string } | undefined {
  const expected = (before?.statement.number ?? 0) + 1
  if (statement.number !== expected)
    return { code: 'block_missing', detail: `block ${expected} is missing before it` }
  if (hashOf(statement, hash) !== name)
    return { code: 'block_altered', detail: 'its hash is not that of what it states' }
  if (statement.previous !== (before?.hash ?? null))
    return { code: 'block_altered', detail: 'it does not follow the block before it' }
  return undefined
}

async function signatureFaults(
  heads: readonly LedgerHead[],
  publicKeys: readonly string[],
): Promise<LedgerProblem[]> {
  const keys = new Map<string, string>()
  for (const publicKey of publicKeys) keys.set(await fingerprint(publicKey), publicKey)
  const faults = await Promise.all(
    heads.map(async ({ statement, signature }): Promise<LedgerProblem[]> => {
      const publicKey = keys.get(statement.keyId)
      const good =
        publicKey !== undefined && (await verifyBytes(publicKey, statementBytes(statement), signature))
      const detail = 'no key that was given signed it'
      return good ? [] : [{ code: 'signature_invalid', block: statement.number, row: null, detail }]
    }),
  )
  return faults.flat().slice(0, PROBLEMS_MAX)
}

const nameOf = (head: LedgerHead | Sha256): Sha256 => (typeof head === 'string' ? head : head.hash)

function headFault(heads: readonly LedgerHead[], head: CheckOptions['head']): LedgerProblem | undefined {
  if (head === undefined || heads.some(block => block.hash === nameOf(head))) return undefined
  const known: BlockStatement | undefined = typeof head === 'string' ? undefined : head.statement
  const last = heads.at(-1)?.statement.number ?? 0
  const at = known?.number ?? null
  if (at !== null && at > last) {
    const detail = `the head is of block ${at}, and the export ends with block ${last}`
    return { code: 'end_missing', block: at, row: null, detail }
  }
  const detail = at === null ? 'no block has the hash of the head' : `block ${at} is not the one of the head`
  return {
    code: 'history_rewritten',
    block: at,
    row: null,
    detail: `${detail}: it, or one before it, was replaced`,
  }
}

function verdictOf(
  { problems, heads, lines }: Chain,
  head: CheckOptions['head'],
  publicKeys: readonly string[],
): LedgerVerdict {
  const last = heads.at(-1)
  const ok = problems.length === 0
  const proven = ok && last !== undefined && head !== undefined && nameOf(head) === last.hash
  return {
    ...{ ok, blocks: heads.length, rows: lines, problems },
    end: proven ? 'proven' : 'unproven',
    signatures: publicKeys.length === 0 ? 'unchecked' : 'checked',
    head: last === undefined ? null : { number: last.statement.number, hash: last.hash },
  }
}
