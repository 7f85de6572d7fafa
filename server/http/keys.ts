import type { RequestHandler } from 'express'
import { grantableScopes } from '#domain/keys.ts'
import { KeyBody, type KeyList, type KeyView, type NewKey } from '#protocol/keys.ts'
import { KEYS_PER_ACCOUNT_MAX } from '#protocol/limits.ts'
import { fromWire, TokenId, toWire } from '#protocol/units.ts'
import { insertKey, type KeyRow, listKeys, revokeKey } from '#store/keys.ts'
import { newTokenText, tokenHash } from '#store/tokens.ts'
import { originOf } from './accounts.ts'
import { answerOnce } from './answer-once.ts'
import { callerOf, requireAccount, requireOwn } from './auth.ts'
import { bodyOf, parseJson } from './body.ts'
import type { Edge } from './edge.ts'
import { parse, Refused } from './problem.ts'

/** POST /keys: for an agent or a script, with no more than its maker may do. */
export function createKey(edge: Edge): RequestHandler {
  return async (req, res) => {
    const { userId, scopes: held, sessionId } = await requireAccount(edge, req, 'campaign', 'kernel')
    const { expiresAt, hostsMax: hostsLeft, ...asked } = parse(KeyBody, parseJson(bodyOf(req)))
    const now = edge.now()
    const grantable = grantableScopes(held, sessionId !== null)
    const excess = asked.scopes.find(scope => !grantable.includes(scope))
    if (excess !== undefined)
      throw new Refused('scope_missing', `scopes: this token may give ${grantable.join(', ')}, not ${excess}`)
    const ends = expiresAt === null ? null : fromWire(expiresAt)
    if (ends !== null && ends <= now) throw new Refused('bad_request', 'expiresAt: is over already')
    const scopes = [...new Set(asked.scopes)]
    if (hostsLeft !== null && !scopes.includes('enrol'))
      throw new Refused('bad_request', 'hostsMax: is for keys of the scope enrol')
    const text = newTokenText('key')
    const key = { ...asked, scopes, hostsLeft, id: edge.ids.token(now), expiresAt: ends }
    const view = viewKey({ ...key, spentMilli: 0, createdAt: now, revokedAt: null })
    const link = scopes.every(scope => scope === 'enrol') ? enrolmentLink(originOf(edge, req), text) : null
    const body: NewKey = { ...view, key: text, link }
    const repeated: NewKey = { ...view, key: null, link: null }
    await answerOnce(edge, { req, res, userId }, async () => async trx => {
      if (!(await insertKey(trx, { ...key, userId, hash: tokenHash(text), now }, KEYS_PER_ACCOUNT_MAX)))
        throw new Refused('keys_full', `${KEYS_PER_ACCOUNT_MAX} keys`)
      return { status: 201, body, repeated }
    })
  }
}

// Behind the #: no server sees it, and no log has it.
const enrolmentLink = (origin: string, key: string): string => `${origin}/start#${key}`

/** GET /keys */
export function showKeys(edge: Edge): RequestHandler {
  return async (req, res) => {
    const { userId } = await requireOwn(edge, req, 'campaign', 'kernel')
    const view: KeyList = { keys: (await listKeys(edge.knex, userId)).map(viewKey) }
    res.json(view)
  }
}

/** POST /keys/:id/revoke: by its account, or by the key itself. */
export function endKey(edge: Edge): RequestHandler {
  return async (req, res) => {
    const id = parse(TokenId, req.params.id, 'not_found')
    const { userId, isKey, tokenId } = await callerOf(edge, req)
    if (!isKey || id !== tokenId) await requireAccount(edge, req, 'campaign', 'kernel')
    const row = await revokeKey(edge.knex, { id, userId, now: edge.now() })
    if (row === undefined) throw new Refused('not_found', `no key ${id}`)
    res.json(viewKey(row))
  }
}

/** A key as its account sees it. */
export function viewKey({ id, createdAt, expiresAt, revokedAt, ...key }: KeyRow): KeyView {
  const { label, scopes, budgetMilli, spentMilli, hostsLeft } = key
  return {
    ...{ keyId: id, label, scopes, budgetMilli, spentMilli },
    remainingMilli: budgetMilli === null ? null : budgetMilli - spentMilli,
    hostsLeft,
    createdAt: toWire(createdAt),
    expiresAt: expiresAt === null ? null : toWire(expiresAt),
    revokedAt: revokedAt === null ? null : toWire(revokedAt),
  }
}
