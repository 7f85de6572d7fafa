import { createHash, hash } from 'node:crypto'
import fc from 'fast-check'
import { expect, test } from 'vitest'
import { canonicalJson } from '#protocol/canonical.ts'
import { leafOf, merkleRoot } from '#protocol/ledger.ts'
import { Sha256 } from '#protocol/units.ts'

const sha = (data: Uint8Array | string): Uint8Array => hash('sha256', data, 'buffer')

test('the leaf of a row is the hash of its RFC 8785 text behind a zero byte', () => {
  const text = fc.oneof(fc.string({ unit: 'binary' }), fc.string())
  const rows = fc.record(
    {
      ...{ id: fc.nat(), key: text, kind: text, debit: text, credit: text, amountMilli: fc.integer() },
      ...{ campaignId: fc.option(text), resultId: fc.option(text), reason: fc.option(text), at: text },
      grants: fc.array(text, { minLength: 1 }),
    },
    {
      requiredKeys: [
        'id',
        'key',
        'kind',
        'debit',
        'credit',
        'amountMilli',
        'campaignId',
        'resultId',
        'reason',
        'at',
      ],
    },
  )
  fc.assert(
    fc.property(rows, one => {
      const bytes = Buffer.from(`\0${canonicalJson(one)}`)
      expect(leafOf(one, sha)).toBe(createHash('sha256').update(bytes).digest('hex'))
    }),
    { numRuns: 500 },
  )
})

test('the Merkle tree is that of RFC 6962', () => {
  const leaf = (text: string) =>
    Sha256.parse(
      createHash('sha256')
        .update(Buffer.from(`00${text}`, 'hex'))
        .digest('hex'),
    )
  // The test vectors of Certificate Transparency (RFC 6962 reference implementation), over 1, 2, 3, 5 and 8 leaves.
  const leaves = [
    ...['', '00', '10', '2021', '3031', '40414243', '5051525354555657', '606162636465666768696a6b6c6d6e6f'],
  ].map(leaf)
  expect([1, 2, 3, 5, 8].map(n => merkleRoot(leaves.slice(0, n), sha))).toEqual([
    '6e340b9cffb37a989ca544e6bb780a2c78901d3fb33738768511a30617afa01d',
    'fac54203e7cc696cf0dfcb42c92a1d9dbaf70ad9e621f4bd8d98662f00e3c125',
    'aeb6bcfe274b70a14fb067a5e5578264db0fa9b51af5e0ba159158f329e06e77',
    '4e3bbb1f7b478dcfe71fb631631519a3bca12c9aefca1612bfce4c13a86264d4',
    '5dc9da79a70659a9ad559cb701ded9a2ab9d823aad2f4960cfe370eff4604328',
  ])
})
