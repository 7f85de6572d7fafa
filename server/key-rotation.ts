// The operator's key gives way to a new one. Three steps, each done completely or not at all: the new key is written beside the old
// one; one transaction names it in the database, signed for by the old one, and signs every kernel again; its file takes the place
// of the old one. Killed before the second nothing has happened, and the next attempt takes the key that lies there; killed after it
// the next start, or the next attempt, does the third.

import type { Knex } from 'knex'
import type { KeyKeeper } from '#operate/deps.ts'
import type { Instant, Sha256 } from '#protocol/units.ts'
import { inTransaction, type Trx } from '#store/database.ts'
import { listKernels, signAgain } from '#store/kernels.ts'
import {
  heldSigningKey,
  lockSigningKeys,
  putSigningKey,
  type SigningKeyRow,
  signingKey,
} from '#store/signing-keys.ts'
import { type SigningKey, signRelease, signSuccessor } from './kernels/sign.ts'
import { OperatorError } from './operator.ts'
import { adoptNextKey, makeNextKey, nextOperatorKey, openOperatorKey } from './secrets.ts'

interface Place {
  readonly knex: Knex
  readonly dataDir: string
  readonly now: () => Instant
}

/**
 * The key of this data directory, agreed on with the database: the first one is written there, a rotation that was cut off is
 * completed, and a key that somebody put in the file by hand takes over, without a word of the one before.
 */
export async function settleOperatorKey({ knex, dataDir, now }: Place): Promise<{
  readonly key: SigningKey
  readonly was: 'known' | 'first' | 'completed' | 'replaced'
}> {
  return inTransaction(knex, async trx => {
    await lockSigningKeys(trx)
    const current = await signingKey(trx)
    const next = await nextOperatorKey(dataDir)
    if (next !== undefined && next.keyId === current?.keyId) {
      await adoptNextKey(dataDir)
      return { key: next, was: 'completed' }
    }
    const key = await openOperatorKey(dataDir)
    if (key.keyId === current?.keyId) return { key, was: 'known' }
    await putSigningKey(trx, { ...key, successor: null, now: now() })
    await signAll(trx, key)
    return { key, was: current === undefined ? 'first' : 'replaced' }
  })
}

/**
 * By which key to sign in this transaction: the one that the database names, also when it was rotated while this process ran.
 * Undefined: its file is not here.
 */
export function keyRing(dataDir: string, first: SigningKey): (trx: Trx) => Promise<SigningKey | undefined> {
  let held = first
  return async trx => {
    const current = await heldSigningKey(trx)
    if (current === undefined) return undefined // it was rotated a moment ago: the next round sees by what
    if (current.keyId === held.keyId) return held
    const found = [await nextOperatorKey(dataDir), await openOperatorKey(dataDir)]
    held = found.find(key => key?.keyId === current.keyId) ?? held
    return held.keyId === current.keyId ? held : undefined
  }
}

/** What an act of an operator needs to rotate the key of this data directory. */
export const keyKeeper = (dataDir: string): KeyKeeper => ({
  next: async () => (await makeNextKey(dataDir)).keyId,
  rotate: async (trx, to, now) => {
    await lockSigningKeys(trx)
    const [old, next] = [await openOperatorKey(dataDir), await nextOperatorKey(dataDir)]
    const current = await signingKey(trx)
    if (next?.keyId !== to || current?.keyId !== old.keyId) throw unsettled(current, to)
    const successor = await signSuccessor(old, next.publicKey)
    await putSigningKey(trx, { ...next, successor, now })
    await signAll(trx, next)
  },
})

async function signAll(trx: Trx, key: SigningKey): Promise<void> {
  for (const { name, version, serial, releaseSha256, moduleSha256 } of await listKernels(trx))
    await signAgain(trx, await signRelease(key, { name, version, serial, releaseSha256, moduleSha256 }))
}

const unsettled = (current: SigningKeyRow | undefined, to: Sha256): OperatorError =>
  new OperatorError(
    'key_unsettled',
    `the key that signs is ${current?.keyId.slice(0, 12) ?? 'none'}…, and not that of this directory, or ${to.slice(0, 12)}… is not here`,
    'Start the server on this data directory once, or give the right --data-dir.',
  )
