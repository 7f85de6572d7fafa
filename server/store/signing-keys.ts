// The keys by which the operator signs, one after the other. What a key signed stays verifiable: no row ever goes.

import { z } from 'zod'
import { SignedSuccessor, type SigningKeyList } from '#protocol/kernel.ts'
import { PublicKeyText } from '#protocol/signature.ts'
import { type Instant, Sha256, toWire } from '#protocol/units.ts'
import type { Trx } from './database.ts'
import { type Executor, execute, select, selectFirst, Timestamp, toDb } from './rows.ts'

const KeyRow = z.object({
  keyId: Sha256,
  publicKey: PublicKeyText,
  since: Timestamp,
  until: Timestamp.nullable(),
  successor: SignedSuccessor.nullable(),
})
export type SigningKeyRow = z.infer<typeof KeyRow>

/** All of them, in the order in which they ended; the last one signs. */
export const listSigningKeys = (on: Executor): Promise<SigningKeyRow[]> =>
  select(on, KeyRow, `${SELECT} order by until nulls last, since`)

/** As anybody may see them. */
export const viewSigningKeys = (rows: readonly SigningKeyRow[]): SigningKeyList => ({
  keys: rows.map(({ since, until, ...row }) => ({
    ...{ ...row, since: toWire(since), until: until === null ? null : toWire(until) },
  })),
})

/** The one that signs; undefined before the first start. */
export const signingKey = (on: Executor): Promise<SigningKeyRow | undefined> =>
  selectFirst(on, KeyRow, `${SELECT} where until is null`)

/** The same, until the end of the transaction: nobody puts another in its place meanwhile. Undefined, too, when somebody just has. */
export const heldSigningKey = (trx: Trx): Promise<SigningKeyRow | undefined> =>
  selectFirst(trx, KeyRow, `${SELECT} where until is null for share`)

interface Next {
  readonly keyId: Sha256
  readonly publicKey: string
  /** By which the key before names it; null: it is the first, or came in its place by hand. */
  readonly successor: SignedSuccessor | null
  readonly now: Instant
}

/** From now on this key signs, and the one before, if there is one, no more. */
export async function putSigningKey(trx: Trx, { keyId, publicKey, successor, now }: Next): Promise<void> {
  const ended = { successor: successor === null ? null : JSON.stringify(successor), now: toDb(now) }
  await execute(trx, END, ended)
  await execute(trx, PUT, { keyId, publicKey, now: toDb(now) })
}

/** Of several processes that look after the keys, the others wait until this transaction is over. */
export async function lockSigningKeys(trx: Trx): Promise<void> {
  await trx.raw(`lock table signing_keys in share row exclusive mode`)
}

const SELECT = `select key_id as "keyId", public_key as "publicKey", since, until, successor from signing_keys`

const END = `
  update signing_keys set until = greatest(since, :now), successor = cast(:successor as jsonb) where until is null`

// A key that comes back by hand signs again; what it stated before is void.
const PUT = `
  insert into signing_keys (key_id, public_key, since) values (:keyId, :publicKey, :now)
  on conflict (key_id) do update set until = null, successor = null`
