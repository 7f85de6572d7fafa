import type { Request, Response } from 'express'
import { z } from 'zod'
import { sha256Of } from '#domain/hash.ts'
import { IdempotencyKey } from '#protocol/operation.ts'
import type { Instant, Sha256, UserId } from '#protocol/units.ts'
import { inTransaction, type Trx } from '#store/database.ts'
import { type CallRow, findCall, keepAnswer, takeKey } from '#store/idempotent-calls.ts'
import { bodyOf } from './body.ts'
import type { Edge } from './edge.ts'
import { parse, Refused } from './problem.ts'

/** What a call that makes something says. */
export interface Answer {
  readonly status: number
  readonly body: object
  readonly location?: string
  /** What the same call is told when it is repeated, if `body` has a secret that is shown once. */
  readonly repeated?: object
}

/** Checks a call as far as it needs no lock, and gives what it does in its transaction. */
type Prepare = () => Promise<(trx: Trx) => Promise<Answer>>

/**
 * Answers a call that makes something, in one transaction. With an Idempotency-Key it is made once: the same call under the same key is
 * answered as before, byte for byte, also when both are under way at once; another call under it is `idempotency_conflict`. A call that
 * was refused leaves its key free.
 */
export async function answerOnce(
  edge: Edge,
  { req, res, userId }: { readonly req: Request; readonly res: Response; readonly userId: UserId },
  prepare: Prepare,
): Promise<void> {
  const key = parse(KeyHeader, req.headers)['idempotency-key']
  if (key === undefined) return send(res, toRow(await inTransaction(edge.knex, await prepare())).first)
  const operation = `${req.method} ${req.baseUrl}${req.path}`
  const call = { userId, key, operation, bodySha256: sha256Of(bodyOf(req)), now: edge.now() }
  const before = await findCall(edge.knex, call)
  if (before !== undefined) return repeat(res, call, before)
  const act = await prepare()
  const made = await inTransaction(edge.knex, trx => makeOnce(trx, call, act))
  if (made !== undefined) return send(res, made)
  const other = await findCall(edge.knex, call)
  if (other === undefined)
    throw new Refused('unavailable', 'the first call of this key was forgotten meanwhile')
  repeat(res, call, other)
}

const KeyHeader = z.object({ 'idempotency-key': IdempotencyKey.optional() })

interface KeyedCall {
  readonly userId: UserId
  readonly key: string
  readonly operation: string
  readonly bodySha256: Sha256
  readonly now: Instant
}

/** Undefined when another call took the key first, and is committed. */
async function makeOnce(
  trx: Trx,
  call: KeyedCall,
  act: (trx: Trx) => Promise<Answer>,
): Promise<Sent | undefined> {
  if (!(await takeKey(trx, call))) return undefined
  const { first, repeated } = toRow(await act(trx))
  await keepAnswer(trx, call, repeated)
  return first
}

type Sent = Pick<CallRow, 'status' | 'location' | 'reply'>

function toRow({ status, body, location: given, repeated = body }: Answer): { first: Sent; repeated: Sent } {
  const location = given ?? null
  return {
    first: { status, location, reply: JSON.stringify(body) },
    repeated: { status, location, reply: JSON.stringify(repeated) },
  }
}

function repeat(res: Response, call: KeyedCall, before: CallRow): void {
  if (before.operation !== call.operation || before.bodySha256 !== call.bodySha256)
    throw new Refused('idempotency_conflict', `it was used for ${before.operation}`)
  res.setHeader('idempotent-replayed', 'true')
  send(res, before)
}

function send(res: Response, { status, location, reply }: Sent): void {
  if (location !== null) res.location(location)
  res.status(status).type('application/json').send(reply)
}
