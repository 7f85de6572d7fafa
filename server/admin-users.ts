import { randomBytes, randomUUID } from 'node:crypto'
import type { Knex } from 'knex'
import { correction, STARTER_MILLI, userAccount } from '#domain/ledger.ts'
import { hashPassword } from '#http/passwords.ts'
import type { RoleName } from '#protocol/acts.ts'
import { type Instant, toWire, type UserId } from '#protocol/units.ts'
import { giveStarter } from '#store/account-credit.ts'
import { inTransaction } from '#store/database.ts'
import { lockBalances, post } from '#store/ledger.ts'
import { setPassword } from '#store/passwords.ts'
import { deleteUser } from '#store/people.ts'
import { endSessions } from '#store/sessions.ts'
import { insertToken, newTokenText, type Scope, tokenHash } from '#store/tokens.ts'
import { findUserByName, insertUser, listUsers } from '#store/users.ts'
import type { Ids } from './ids.ts'
import { OperatorError } from './operator.ts'
import { PLATFORM_USER } from './platform.ts'

interface NewUser {
  readonly name: string
  readonly role: RoleName
  readonly starterMilli: number | undefined
  readonly ids: Ids
  readonly now: Instant
}

export interface UserView {
  readonly userId: UserId
  readonly name: string
  readonly roles: readonly RoleName[]
  readonly balanceMilli: number
}

/** Adds a user with its starter credit: by default what a first campaign needs for researchers, nothing for others. */
export async function addUser(
  knex: Knex,
  { name, role, starterMilli, ids, now }: NewUser,
): Promise<UserView> {
  const userId = ids.user(now)
  const amountMilli = starterMilli ?? (role === 'researcher' ? STARTER_MILLI : 0)
  if (name === PLATFORM_USER)
    throw new OperatorError('name_reserved', `${name} is the operator's own user`, 'Choose another name.')
  await inTransaction(knex, async trx => {
    const outcome = await insertUser(trx, { id: userId, name, roles: [role], createdAt: now })
    if (outcome === 'name_taken')
      throw new OperatorError('name_taken', `there is a user ${name} already`, 'Choose another name.')
    if (amountMilli === 0) return
    const given = await giveStarter(trx, { userId, amountMilli, prefix: null, now })
    if (given !== 'given')
      throw new OperatorError(
        'starter_limit',
        'the starters of today are used up',
        'Add the user with --starter 0; xeenet admin credit gives more, with a reason.',
      )
  })
  return { userId, name, roles: [role], balanceMilli: amountMilli }
}

export async function showUsers(knex: Knex): Promise<UserView[]> {
  const users = await listUsers(knex)
  return users.map(({ id, name, roles, balanceMilli }) => ({ userId: id, name, roles, balanceMilli }))
}

interface CreditWish {
  readonly name: string
  readonly amountMilli: number // negative: taken
  readonly reason: string
  readonly now: Instant
}

/** A correction by the operator. Everybody can read it, with its reason, in the ledger. */
export async function correctCredit(knex: Knex, { name, amountMilli, reason, now }: CreditWish) {
  const user = await findUserByName(knex, name)
  if (user === undefined) throw userUnknown(name)
  const account = userAccount(user.id)
  const id = randomUUID()
  await inTransaction(knex, async trx => {
    const balance = (await lockBalances(trx, [account])).get(account) ?? 0
    if (balance + amountMilli < 0)
      throw new OperatorError(
        'insufficient_credit',
        `${name} has ${balance / 1000} credits`,
        'Take at most that: what was spent cannot be taken.',
      )
    await post(trx, [correction({ id, account, amountMilli, reason })], now)
  })
  return { key: `correction:${id}`, userId: user.id, name, amountMilli, reason }
}

const userUnknown = (name: string): OperatorError =>
  new OperatorError('user_unknown', `there is no user ${name}`, 'xeenet admin user list names them.')

interface TokenWish {
  readonly name: string
  readonly scopes: readonly Scope[]
  readonly expiresAt: Instant | null
  readonly ids: Ids
  readonly now: Instant
}

/** A new token of a user. Its text is returned this once; the database keeps its hash. */
export async function addToken(knex: Knex, { name, scopes, expiresAt, ids, now }: TokenWish) {
  const user = await findUserByName(knex, name)
  if (user === undefined) throw userUnknown(name)
  const token = newTokenText('user')
  const id = ids.token(now)
  const label = `${scopes.join('+')} by admin`
  const facts = { id, userId: user.id, hash: tokenHash(token), scopes, label, createdAt: now, expiresAt }
  await insertToken(knex, facts)
  const expires = expiresAt === null ? null : toWire(expiresAt)
  return { token, tokenId: id, userId: user.id, name, scopes, expiresAt: expires }
}

/** Deletes an account by its name; returns the id that is left of it. */
export async function removeUser(knex: Knex, name: string, now: Instant): Promise<UserId> {
  const user = await findUserByName(knex, name)
  if (user === undefined)
    throw new OperatorError('user_unknown', `there is no user ${name}`, 'xeenet admin user list names them.')
  const { outcome } = await inTransaction(knex, trx => deleteUser(trx, user.id, now))
  if (outcome === 'campaigns_running')
    throw new OperatorError('campaigns_running', `${name} has campaigns that run`, 'Cancel them first.')
  if (outcome === 'is_operator')
    throw new OperatorError('user_is_operator', `${name} is an operator`, 'Operators cannot be deleted.')
  return user.id
}

/** A new password for an account, made here and shown this once; every browser of it is logged out. */
export async function resetPassword(knex: Knex, name: string, now: Instant) {
  const user = await findUserByName(knex, name)
  if (user === undefined) throw userUnknown(name)
  const userId = user.id
  const password = randomBytes(15).toString('base64url')
  const hash = await hashPassword(password)
  const loggedOut = await inTransaction(knex, async trx => {
    await setPassword(trx, { userId, hash, now })
    return endSessions(trx, { userId })
  })
  return { userId, name, password, loggedOut }
}
