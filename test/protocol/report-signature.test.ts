import { createHash, hash } from 'node:crypto'
import { expect, test } from 'vitest'
import { callWithReportsBytes, reportBytes } from '#protocol/host.ts'
import { REPORTS_PER_CALL_MAX } from '#protocol/limits.ts'
import { hashNow } from '#protocol/merkle.ts'
import { isProven, proofOf, reportsRoot, treeOfReports } from '#protocol/report-signature.ts'
import { fromBase64url, generateEd25519, signBytes, toBase64url } from '#protocol/signature.ts'
import { HostId, ResultId, Sha256 } from '#protocol/units.ts'

const sha = (data: Uint8Array | string): Uint8Array => hash('sha256', data, 'buffer')
const digestOf = (text: string): Sha256 => Sha256.parse(createHash('sha256').update(text).digest('hex'))
const hostId = (n: number) => HostId.parse(`h_${String(n).padStart(26, '0')}`)
const resultId = (n: number) => ResultId.parse(`r_${String(n).padStart(26, '0')}`)

const claims = (count: number) =>
  Array.from({ length: count }, (_, n) => ({
    ...{ serverId: 'a-server', hostId: hostId(1), resultId: resultId(n), digest: digestOf(`run ${n}`) },
  }))

/** A signed call with so many reports, and what is stored of each. */
async function called(count: number, call = digestOf('the call')) {
  const { publicKey, privateKey } = await generateEd25519()
  const said = claims(count)
  const tree = hashNow(treeOfReports(said), sha)
  const reports = reportsRoot(tree)
  if (reports === undefined) throw new Error('a call with reports has a root')
  const signature = await signBytes(privateKey, callWithReportsBytes({ call, reports }))
  const proofs = said.map((claim, n) => ({ claim, proof: proofOf({ call, signature }, tree, n) }))
  return { publicKey, privateKey, proofs }
}

/** The proof with other bytes behind the signature. */
function changed(proof: string, change: (bytes: Uint8Array) => Uint8Array): string {
  const [signature, rest = ''] = proof.split('.')
  return `${signature}.${toBase64url(change(fromBase64url(rest) ?? new Uint8Array()))}`
}

test('every report of a call is proven by its signature, and no other one by the same proof', async () => {
  for (let count = 1; count <= REPORTS_PER_CALL_MAX; count++) {
    const { publicKey, proofs } = await called(count)
    for (const { claim, proof } of proofs) {
      for (const { claim: said } of proofs)
        expect(await isProven(publicKey, said, proof)).toBe(said.resultId === claim.resultId)
    }
  }
})

test('a proof takes 130 characters for the only report of a call, and at most 306', async () => {
  for (const [count, most] of [
    [1, 130],
    [10, 306],
    [REPORTS_PER_CALL_MAX, 306],
  ] as const) {
    const { proofs } = await called(count)
    expect(Math.max(...proofs.map(({ proof }) => proof.length))).toBe(most)
  }
})

test('a report with a signature of its own is proven by that', async () => {
  const { publicKey, privateKey } = await generateEd25519()
  const [claim, other] = claims(2)
  if (claim === undefined || other === undefined) throw new Error('two claims')
  const signature = await signBytes(privateKey, reportBytes(claim))
  expect(await isProven(publicKey, claim, signature)).toBe(true)
  expect(await isProven(publicKey, other, signature)).toBe(false)
})

test('nothing else is proven: another digest, result, host, server, key, call, or path', async () => {
  const { publicKey, proofs } = await called(10)
  const [good] = proofs
  if (good === undefined) throw new Error('ten proofs')
  const { claim, proof } = good
  const stranger = await generateEd25519()
  const elsewhere = await called(10)
  const forged: [string, typeof claim, string][] = [
    [publicKey, { ...claim, digest: digestOf('better') }, proof],
    [publicKey, { ...claim, resultId: resultId(77) }, proof],
    [publicKey, { ...claim, hostId: hostId(2) }, proof],
    [publicKey, { ...claim, serverId: 'another' }, proof],
    [stranger.publicKey, claim, proof],
    [publicKey, claim, elsewhere.proofs[0]?.proof ?? ''],
    [publicKey, claim, changed(proof, bytes => bytes.with(0, (bytes[0] ?? 0) ^ 1))], // another call
    [publicKey, claim, changed(proof, bytes => bytes.slice(0, 32))], // no path
    [publicKey, claim, changed(proof, bytes => bytes.slice(0, -33))], // a step short
    [publicKey, claim, changed(proof, bytes => bytes.slice(0, -1))],
    [publicKey, claim, changed(proof, bytes => bytes.with(32, 0))], // the other side
    [publicKey, claim, changed(proof, bytes => bytes.with(32, 7))], // no side
    [publicKey, claim, changed(proof, bytes => bytes.slice(0, 8))],
    [publicKey, claim, `${proof}.${proof}`],
    [publicKey, claim, `${proof}=`],
    ...['', '.', 'unchecked here', proof.slice(0, 86)].map((text): [string, typeof claim, string] => [
      publicKey,
      claim,
      text,
    ]),
  ]
  for (const [key, said, text] of forged) expect(await isProven(key, said, text)).toBe(false)
  expect(await isProven(publicKey, claim, proof)).toBe(true)
})
