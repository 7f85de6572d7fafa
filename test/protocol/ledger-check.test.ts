import { hash } from 'node:crypto'
import fc from 'fast-check'
import { beforeAll, describe, expect, test } from 'vitest'
import {
  BlockStatement,
  hashOf,
  type LedgerHead,
  type LedgerLine,
  type LedgerRow,
  leafOf,
  merkleRoot,
  type SealedRow,
  statementBytes,
} from '#protocol/ledger.ts'
import { checkLedger, type LedgerVerdict } from '#protocol/ledger-check.ts'
import { fingerprint, generateEd25519, type KeyPairRaw, signBytes } from '#protocol/signature.ts'
import { Sha256 } from '#protocol/units.ts'

const sha = (data: Uint8Array | string): Uint8Array => hash('sha256', data, 'buffer')

const row = (n: number): LedgerRow => (n % 6 === 0 ? vest(n, [n - 1, n - 2]) : grant(n))
const grant = (n: number): LedgerRow => ({
  ...{ id: n * 3, key: `grant:r_${n}:0`, kind: 'grant', debit: 'escrow:c_1', credit: `held:user:u_${n % 5}` },
  ...{ amountMilli: 10 + n, campaignId: 'c_1', resultId: `r_${n}`, reason: null },
  at: new Date(Date.UTC(2026, 10, 25) + n).toISOString(),
})

const vest = (n: number, of: readonly number[]): LedgerRow => ({
  ...{
    ...grant(n),
    key: `vest:r_${of[0]}:0`,
    kind: 'vest',
    debit: `held:user:u_${n}`,
    credit: `user:u_${n}`,
  },
  ...{ campaignId: null, resultId: null, grants: of.map(m => `r_${m}:0`) },
})

interface Sealed {
  readonly lines: string[]
  readonly heads: LedgerHead[]
  readonly rows: SealedRow[]
}

/** A chain over these rows, as the sealer makes it. */
async function seal(rows: readonly LedgerRow[], perBlock: number, key: KeyPairRaw): Promise<Sealed> {
  const keyId = Sha256.parse(await fingerprint(key.publicKey))
  const [lines, heads, sealed]: [string[], LedgerHead[], SealedRow[]] = [[], [], []]
  for (let at = 0; at < rows.length; at += perBlock) {
    const mine = rows
      .slice(at, at + perBlock)
      .map((r, i) => ({ n: at + i + 1, leaf: leafOf(r, sha), row: r }))
    const statement = BlockStatement.parse({
      ...{ type: 'xeenet/ledger-block/1', serverId: 'test', keyId, number: heads.length + 1 },
      previous: heads.at(-1)?.hash ?? null,
      root: merkleRoot(
        mine.map(s => s.leaf),
        sha,
      ),
      ...{ count: mine.length, rows: at + mine.length, sealedAt: '2026-11-25T00:00:00.000Z' },
    })
    const signature = await signBytes(key.privateKey, statementBytes(statement))
    const block = { statement, hash: hashOf(statement, sha), signature }
    heads.push(block)
    sealed.push(...mine)
    lines.push(...[{ block }, ...mine].map(line => JSON.stringify(line)))
  }
  return { lines, heads, rows: sealed }
}

type Given = Omit<Parameters<typeof checkLedger>[0], 'hash'>

function check(lines: readonly string[], given: Given = {}): Promise<LedgerVerdict> {
  const checked = checkLedger({ hash: sha, ...given })
  for (const line of lines) checked.line(line)
  return checked.end()
}

let key: KeyPairRaw
let chain: Sealed
const ROWS = Array.from({ length: 23 }, (_, i) => row(i + 1))
beforeAll(async () => {
  key = await generateEd25519()
  chain = await seal(ROWS, 5, key)
})
const lastHead = (): LedgerHead => chain.heads.at(-1)!

describe('an export as it was sealed', () => {
  test('is good, and its end is proven by the head that it ends with', async () => {
    expect(await check(chain.lines, { head: lastHead(), publicKeys: [key.publicKey] })).toEqual({
      ...{ ok: true, blocks: 5, rows: 23, end: 'proven', signatures: 'checked', problems: [] },
      head: { number: 5, hash: lastHead().hash },
    })
    expect(await check(chain.lines, { head: lastHead().hash })).toMatchObject({ ok: true, end: 'proven' })
  })

  test('has an unproven end without a head, or with an older one', async () => {
    expect(await check(chain.lines)).toMatchObject({ ok: true, end: 'unproven', signatures: 'unchecked' })
    expect(await check(chain.lines, { head: chain.heads[2] })).toMatchObject({ ok: true, end: 'unproven' })
  })

  test('of an empty ledger is empty', async () => {
    expect(await check([])).toMatchObject({ ok: true, rows: 0, end: 'unproven', head: null })
  })
})

describe('what somebody did to an export', () => {
  const lineOf = (n: number): number => chain.lines.findIndex(line => line.startsWith(`{"n":${n},`))
  const without = (n: number) => chain.lines.toSpliced(lineOf(n), 1)
  const replaced = (n: number, change: (sealed: SealedRow) => LedgerLine) =>
    chain.lines.with(lineOf(n), JSON.stringify(change(chain.rows[n - 1]!)))
  const codes = async (lines: readonly string[], given: Given = {}) =>
    (await check(lines, given)).problems.map(p => `${p.code} ${p.block ?? '-'} ${p.row ?? '-'}`)

  test('a row altered is named', async () => {
    const altered = replaced(7, s => ({ ...s, row: { ...s.row!, amountMilli: 99 } }))
    expect(await codes(altered)).toEqual(['row_altered 2 7'])
  })

  test('a grant that is made final twice is named, whichever transfer names it and in whichever form', async () => {
    const old = { ...grant(9), key: 'vest:r_4:0', kind: 'vest' } // as each was before several had one
    const again = (one: LedgerRow) => seal([...ROWS, one], 5, key)
    for (const one of [vest(24, [23, 4]), vest(24, [4]), vest(24, [23, 23]), old])
      expect(await codes((await again(one)).lines)).toEqual(['key_repeated 5 24'])
    expect(await codes((await again(vest(24, [23, 22]))).lines)).toEqual([])
    const renamed = replaced(6, s => ({ ...s, row: { ...s.row!, grants: ['r_5:0', 'r_3:0'] } }))
    expect(await codes(renamed)).toEqual(['row_altered 2 6'])
  })

  test('a row altered together with its hash: its block is named', async () => {
    const altered = replaced(7, s => {
      const changed = { ...s.row!, amountMilli: 99 }
      return { n: 7, leaf: leafOf(changed, sha), row: changed }
    })
    expect(await codes(altered)).toEqual(['block_altered 2 -'])
  })

  test('a row removed is named, also the last of a block and the last of all', async () => {
    expect(await codes(without(7))).toEqual(['row_missing 2 7', 'block_altered 2 -'])
    expect(await codes(without(10))).toEqual(['row_missing 2 10', 'block_altered 2 -'])
    expect(await codes(without(23))).toEqual(['row_missing 5 23', 'block_altered 5 -'])
    expect(await codes(replaced(7, s => ({ ...s, row: null })))).toEqual(['row_missing 2 7'])
  })

  test('a row inserted is named', async () => {
    const twice = chain.lines.toSpliced(lineOf(7), 0, chain.lines[lineOf(7)]!)
    expect(await codes(twice)).toEqual(['row_inserted 2 7', 'key_repeated 2 7', 'block_altered 2 -'])
  })

  test('blocks removed at the end are missed by who has the head, and by nobody else', async () => {
    const cut = chain.lines.slice(0, lineOf(21) - 1)
    expect(await check(cut)).toMatchObject({ ok: true, end: 'unproven' })
    expect(await codes(cut, { head: lastHead() })).toEqual(['end_missing 5 -'])
    expect(await codes(cut, { head: lastHead().hash })).toEqual(['history_rewritten - -'])
  })

  test('a history rewritten and signed again by the operator is found by any head of before', async () => {
    const forged = await seal(ROWS.with(6, { ...ROWS[6]!, amountMilli: 1 }), 5, key)
    expect(await check(forged.lines, { publicKeys: [key.publicKey] })).toMatchObject({ ok: true })
    expect(await codes(forged.lines, { head: chain.heads[1] })).toEqual(['history_rewritten 2 -'])
    expect(await codes(forged.lines, { head: lastHead() })).toEqual(['history_rewritten 5 -'])
    expect(await check(forged.lines, { head: chain.heads[0] })).toMatchObject({ ok: true, end: 'unproven' })
  })

  test('another signer is found by who knows the key', async () => {
    const forged = await seal(ROWS, 5, await generateEd25519())
    expect(await check(forged.lines)).toMatchObject({ ok: true, signatures: 'unchecked' })
    expect((await codes(forged.lines, { publicKeys: [key.publicKey] }))[0]).toBe('signature_invalid 1 -')
  })

  test('a block removed from the middle, and a line that is none', async () => {
    const [from, to] = [lineOf(6) - 1, lineOf(11) - 1]
    expect(await codes(chain.lines.toSpliced(from, to - from))).toContain('block_missing 3 -')
    expect(await codes(chain.lines.with(lineOf(7), '{"n":7,'))).toContain('line_unreadable 2 7')
  })

  test('any one row altered, removed or inserted is found, and its block or its place named', async () => {
    const where = fc.record({ n: fc.integer({ min: 1, max: 23 }), perBlock: fc.integer({ min: 1, max: 30 }) })
    const chains = new Map<number, Sealed>()
    const mutation = fc.oneof(
      fc.record({
        type: fc.constant('altered' as const),
        field: fc.constantFrom(
          'id',
          'key',
          'kind',
          'debit',
          'credit',
          'amountMilli',
          'reason',
          'at',
          'resultId',
        ),
        hide: fc.boolean(), // gives the row the hash that fits
      }),
      fc.record({ type: fc.constant('removed' as const), hide: fc.boolean() }), // the others close ranks
      fc.record({ type: fc.constant('inserted' as const), hide: fc.boolean() }),
    )
    await fc.assert(
      fc.asyncProperty(where, mutation, async ({ n, perBlock }, done) => {
        const made = chains.get(perBlock) ?? (await seal(ROWS, perBlock, key))
        chains.set(perBlock, made)
        const verdict = await check(mutated(made, n, done), { head: made.heads.at(-1) })
        expect(verdict.ok).toBe(false)
        const block = Math.ceil(n / perBlock)
        expect(verdict.problems[0]?.block).toBe(block)
        if (!done.hide)
          expect(verdict.problems.some(p => p.row !== null && Math.abs(p.row - n) <= 1)).toBe(true)
      }),
      { numRuns: 3_000 },
    )
  })
})

test('one row altered among a hundred thousand is named', async () => {
  const many = await seal(
    Array.from({ length: 100_000 }, (_, i) => row(i + 1)),
    1_000,
    key,
  )
  const at = many.lines.findIndex(line => line.startsWith('{"n":77777,'))
  const altered = many.lines.with(at, many.lines[at]!.replace('"amountMilli":', '"amountMilli":1'))
  const { ok, problems } = await check(altered, { head: many.heads.at(-1), publicKeys: [key.publicKey] })
  expect([ok, problems]).toMatchObject([false, [{ code: 'row_altered', block: 78, row: 77_777 }]])
})

type Mutation =
  | { type: 'altered'; field: string; hide: boolean }
  | { type: 'removed' | 'inserted'; hide: boolean }

function mutated(made: Sealed, n: number, done: Mutation): string[] {
  const lines = made.lines.map(line => JSON.parse(line) as LedgerLine)
  const at = lines.findIndex(line => 'n' in line && line.n === n)
  const found = lines[at]
  if (found === undefined || !('n' in found) || found.row === null) throw new Error('no such row')
  const shifted = (by: number, from: number) =>
    lines.map((line, i) => (i >= from && 'n' in line ? { ...line, n: line.n + by } : line))
  const text = (changed: readonly LedgerLine[]) => changed.map(line => JSON.stringify(line))
  if (done.type === 'altered') {
    const { field } = done
    const old = found.row[field as keyof LedgerRow]
    const other = field === 'at' ? '2020-01-01T00:00:00.000Z' : typeof old === 'number' ? old + 1 : `${old}x`
    const row: LedgerRow = { ...found.row, [field]: other }
    return text(lines.with(at, { n, leaf: done.hide ? leafOf(row, sha) : found.leaf, row }))
  }
  if (done.type === 'removed') return text((done.hide ? shifted(-1, at + 1) : lines).toSpliced(at, 1))
  const forged: LedgerRow = { ...found.row, key: 'correction:forged', credit: 'user:u_me' }
  return text(
    (done.hide ? shifted(1, at) : lines).toSpliced(at, 0, { n, leaf: leafOf(forged, sha), row: forged }),
  )
}
