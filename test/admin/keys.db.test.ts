// The operator's key gives way to another one: killed after each step, with a server that seals meanwhile, and with hosts that know
// the first key only.

import { mkdtemp, readdir, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, beforeEach, expect, test } from 'vitest'
import { sha256Bytes } from '#domain/hash.ts'
import { sealAll } from '#jobs/seal.ts'
import { generateKey, signRelease, verifyRelease } from '#kernels/sign.ts'
import { performCounted } from '#operate/act.ts'
import { SigningKeyList } from '#protocol/kernel.ts'
import { checkLedger } from '#protocol/ledger-check.ts'
import { followKeys } from '#runtime/keys.ts'
import { judgeRelease } from '#runtime/release.ts'
import { keyKeeper, keyRing, settleOperatorKey } from '#server/key-rotation.ts'
import { adoptNextKey, makeNextKey, openOperatorKey } from '#server/secrets.ts'
import { listActs } from '#store/acts.ts'
import { chainLines } from '#store/blocks.ts'
import { findKernel, signAgain, signedRelease } from '#store/kernels.ts'
import { listSigningKeys, viewSigningKeys } from '#store/signing-keys.ts'
import { stock, T0, testIds } from '#support/builders.ts'
import { freshDatabase, type TestDatabase } from '#support/database.ts'

let database: TestDatabase
let dataDir: string

beforeEach(async () => {
  database = await freshDatabase()
  dataDir = await mkdtemp(join(tmpdir(), 'xeenet-keys-'))
  await stock(database.knex, dataDir)
})
afterEach(async () => {
  await database.drop()
  await rm(dataDir, { recursive: true, force: true })
})

const now = () => T0
const settle = () => settleOperatorKey({ knex: database.knex, dataDir, now })

/** The second step: what is committed at once. */
async function take(): Promise<void> {
  const keys = keyKeeper(dataDir)
  const wake = {
    workUnits: async () => undefined,
    campaigns: async () => undefined,
    hosts: async () => undefined,
  }
  const rest = { proposals: async () => undefined, exports: async () => undefined }
  const deps = { knex: database.knex, now, ids: testIds, wake: { ...wake, ...rest }, keys }
  const act = { kind: 'rotate_key', keyId: await keys.next() } as const
  await performCounted(deps, { act, reason: 'a laptop was lost' }, 1)
}

let keys = 0
/** One more transfer, sealed by whichever key signs. */
async function seal(ring: ReturnType<typeof keyRing>): Promise<void> {
  await database.knex.raw(`insert into accounts (name) values ('user:k'), ('mint') on conflict do nothing`)
  await database.knex.raw(
    `insert into transfers (key, kind, debit, credit, amount_milli, created_at) values (?, 'correction', 'mint', 'user:k', 1, now())`,
    [`key-test:${++keys}`],
  )
  expect(await sealAll({ knex: database.knex, keyIn: ring, serverId: 'test', now })).toBe(1)
}

const verdict = async (publicKeys: readonly string[]) => {
  const check = checkLedger({ hash: sha256Bytes, publicKeys })
  for await (const lines of chainLines(database.knex)) for (const line of lines) check.add(line)
  const { ok, problems } = await check.end()
  return ok ? 'ok' : problems.map(problem => `${problem.code} ${problem.block}`).join(', ')
}

const served = async () => SigningKeyList.parse(viewSigningKeys(await listSigningKeys(database.knex))).keys

test('a rotated key signs from then on, what the old one signed stays verifiable, and hosts follow by its word alone', async () => {
  const { key: first, was } = await settle()
  expect([was, (await settle()).was]).toEqual(['first', 'known'])
  const kernel = (await findKernel(database.knex, 'tiny@0'))!
  const { name, version, serial, releaseSha256, moduleSha256 } = kernel
  await signAgain(
    database.knex,
    await signRelease(first, { name, version, serial, releaseSha256, moduleSha256 }),
  )
  const ring = keyRing(dataDir, first) // of a server that runs all the time
  await seal(ring)
  await take()
  await seal(ring) // its file is not in its place yet
  await adoptNextKey(dataDir)
  await seal(ring)
  const next = await openOperatorKey(dataDir)
  expect([(await settle()).key.keyId, next.keyId === first.keyId]).toEqual([next.keyId, false])
  expect(await readdir(join(dataDir, 'secrets'))).toEqual(['operator.pem'])

  expect(await verdict([first.publicKey, next.publicKey])).toBe('ok')
  expect(await verdict([next.publicKey])).toBe('signature_invalid 1')
  expect(await verdict([first.publicKey])).toBe('signature_invalid 2, signature_invalid 3')

  const release = signedRelease((await findKernel(database.knex, 'tiny@0'))!)
  expect(await verifyRelease(next.publicKey, release)).toBe(true)
  const pinned = [{ keyId: first.keyId, publicKey: first.publicKey }]
  expect(await judgeRelease(release, { keys: pinned, serials: {} })).toMatchObject({ ok: false })
  const followed = await followKeys(pinned, await served())
  expect(await judgeRelease(release, { keys: followed, serials: {} })).toMatchObject({ ok: true })
  const stranger = await generateKey()
  expect(
    await followKeys([{ keyId: stranger.keyId, publicKey: stranger.publicKey }], await served()),
  ).toHaveLength(1)

  await take()
  await adoptNextKey(dataDir)
  const third = (await settle()).key
  const keysNow = await followKeys(pinned, (await served()).toReversed())
  expect(keysNow.map(({ keyId }) => keyId)).toEqual([first.keyId, next.keyId, third.keyId])
  const [act] = await listActs(
    database.knex,
    { kind: 'rotate_key', by: null, subject: third.keyId },
    { after: null, limit: 5 },
  )
  expect(act).toMatchObject({ reason: 'a laptop was lost', inverse: null })
})

test('killed after any step, a rotation has not happened, or the next start completes it', async () => {
  const { key: first } = await settle()
  const written = await makeNextKey(dataDir)
  expect(await settle()).toEqual({ key: first, was: 'known' }) // killed after the first step
  await take() // the same command again takes the key that lies there
  const during = await served()
  expect(during.map(({ keyId, until }) => [keyId, until === null])).toEqual([
    [first.keyId, false],
    [written.keyId, true],
  ])
  const [one, other] = await Promise.all([settle(), settle()]) // killed after the second one; two processes start
  expect([one.key.keyId, other.key.keyId]).toEqual([written.keyId, written.keyId])
  expect([one.was, other.was].sort()).toEqual(['completed', 'known'])
  expect(await served()).toEqual(during)
})

test('a key that somebody put in its place by hand signs, and nobody vouches for it', async () => {
  const { key: first } = await settle()
  await makeNextKey(dataDir)
  await adoptNextKey(dataDir)
  const { key: other, was } = await settle()
  expect([was, other.keyId === first.keyId]).toEqual(['replaced', false])
  expect(await followKeys([first], await served())).toEqual([first])
  const release = signedRelease((await findKernel(database.knex, 'tiny@0'))!)
  expect(await verifyRelease(other.publicKey, release)).toBe(true)
})
