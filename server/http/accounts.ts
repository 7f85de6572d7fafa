import type { Request, RequestHandler } from 'express'
import { enrolmentWindows } from '#domain/enrolment.ts'
import { STARTER_MILLI } from '#domain/ledger.ts'
import { passwordFault } from '#domain/login.ts'
import { nameFault, tidyName } from '#domain/names.ts'
import { InvitationBody, type InvitationList, type NewInvitation, SignUpBody } from '#protocol/accounts.ts'
import type { RoleName } from '#protocol/acts.ts'
import { INVITATIONS_MAX } from '#protocol/limits.ts'
import { fromWire, InvitationId, toWire } from '#protocol/units.ts'
import { giveStarter } from '#store/account-credit.ts'
import { inTransaction, type Trx } from '#store/database.ts'
import { readEnrolments } from '#store/enrolments.ts'
import {
  type InvitationRow,
  insertInvitation,
  openInvitations,
  revokeInvitation,
  useInvitation,
} from '#store/invitations.ts'
import { setPassword } from '#store/passwords.ts'
import { newTokenText, tokenHash } from '#store/tokens.ts'
import { insertUser } from '#store/users.ts'
import type { Network } from './address.ts'
import { requireScope } from './auth.ts'
import { bodyOf, parseJson } from './body.ts'
import { newChallenge, refuseWhenFull, takeWork, verifyWork } from './challenge.ts'
import type { Edge } from './edge.ts'
import { answerSession, beginSession, refuseOtherSites } from './login.ts'
import { hashPassword } from './passwords.ts'
import { parse, Refused } from './problem.ts'

type NetworkReader = (req: Request) => Network

// Counted like enrolments and beside them.
const windowsOf = (edge: Edge, { prefix }: Network) =>
  enrolmentWindows(prefix, edge.settings, edge.now()).map(window => ({
    ...window,
    scope: `accounts:${window.scope}`,
  }))

/** GET /accounts/challenge: work for who wants an account without an invitation, unless it would be in vain. */
export function issueAccountChallenge(edge: Edge, networkOf: NetworkReader): RequestHandler {
  return async (req, res) => {
    if (edge.settings.signup !== 'open') throw new Refused('signup_closed')
    const windows = windowsOf(edge, networkOf(req))
    refuseWhenFull(windows, await readEnrolments(edge.knex, windows), edge.now())
    res.json(await newChallenge(edge, edge.now()))
  }
}

/** POST /accounts: a new account, logged in. Its password is hashed only once everything else is right. */
export function signUp(edge: Edge, networkOf: NetworkReader): RequestHandler {
  return async (req, res) => {
    refuseOtherSites(edge, req)
    const { password, email, invitation, work, ...given } = parse(SignUpBody, parseJson(bodyOf(req)))
    const name = tidyName(given.name)
    const now = edge.now()
    const { settings } = edge
    if (invitation === undefined && settings.signup !== 'open') throw new Refused('signup_closed')
    refuseUnfit(name, password)
    const solved = invitation === undefined ? await verifyWork(edge, work, now) : undefined
    const network = networkOf(req)
    const userId = edge.ids.user(now)
    const hash = await hashPassword(password)
    const secret = await inTransaction(edge.knex, async trx => {
      if (solved !== undefined) await takeWork(trx, { work: solved, windows: windowsOf(edge, network), now })
      const role = invitation === undefined ? settings.signupRole : await roleOf(trx, edge, invitation)
      const user = { id: userId, name, roles: [role], createdAt: now, email }
      if ((await insertUser(trx, user)) === 'name_taken') throw new Refused('name_taken')
      await setPassword(trx, { userId, hash, now })
      // As far as the limits of the day allow: without one the account can still earn.
      const prefix = invitation === undefined ? network.prefix : null
      if (role === 'researcher') await giveStarter(trx, { userId, amountMilli: STARTER_MILLI, prefix, now })
      return beginSession(trx, edge, { req, userId, passwordHash: hash })
    })
    edge.log.info({ userId, invited: invitation !== undefined }, 'an account was made')
    await answerSession(edge, { req, res, secret, status: 201 })
  }
}

function refuseUnfit(name: string, password: string): void {
  const unfit = nameFault(name)
  if (unfit !== undefined) throw new Refused('name_refused', unfit)
  const weak = passwordFault(password, name)
  if (weak !== undefined) throw new Refused('password_weak', weak)
}

async function roleOf(trx: Trx, edge: Edge, invitation: string): Promise<RoleName> {
  const role = await useInvitation(trx, { hash: tokenHash(invitation), now: edge.now() })
  if (role === undefined) throw new Refused('invitation_unknown')
  return role
}

/** POST /invitations */
export function createInvitation(edge: Edge): RequestHandler {
  return async (req, res) => {
    const { userId } = await requireScope(edge, req, 'admin')
    const body = parse(InvitationBody, parseJson(bodyOf(req)))
    const now = edge.now()
    const expiresAt = fromWire(body.expiresAt)
    if (expiresAt <= now) throw new Refused('bad_request', 'expiresAt: is over already')
    if ((await openInvitations(edge.knex, now, INVITATIONS_MAX)).length >= INVITATIONS_MAX)
      throw new Refused('invitations_full')
    const code = newTokenText('invitation')
    const row: InvitationRow = {
      ...{ id: edge.ids.invitation(now), role: body.role, label: body.label, usesLeft: body.uses },
      ...{ createdAt: now, expiresAt },
    }
    await insertInvitation(edge.knex, { ...row, hash: tokenHash(code), madeBy: userId })
    const view: NewInvitation = {
      ...viewInvitation(row),
      code,
      url: invitationUrl(originOf(edge, req), code),
    }
    res.status(201).json(view)
  }
}

// In the part of an address that browsers keep to themselves: no log and no Referer has it.
export const invitationUrl = (origin: string, code: string): string => `${origin}/signup#${code}`

/** Where people reach this server, as far as the caller can tell. */
export const originOf = ({ settings }: Edge, req: Request): string =>
  settings.publicUrl === undefined
    ? `${req.protocol}://${req.headers.host}`
    : new URL(settings.publicUrl).origin

/** GET /invitations */
export function showInvitations(edge: Edge): RequestHandler {
  return async (req, res) => {
    await requireScope(edge, req, 'admin')
    const rows = await openInvitations(edge.knex, edge.now(), INVITATIONS_MAX)
    const view: InvitationList = { invitations: rows.map(viewInvitation) }
    res.json(view)
  }
}

/** DELETE /invitations/:id */
export function removeInvitation(edge: Edge): RequestHandler {
  return async (req, res) => {
    await requireScope(edge, req, 'admin')
    const id = parse(InvitationId, req.params.id, 'not_found')
    if ((await revokeInvitation(edge.knex, id)) === 0) throw new Refused('not_found', `no invitation ${id}`)
    const rows = await openInvitations(edge.knex, edge.now(), INVITATIONS_MAX)
    const view: InvitationList = { invitations: rows.map(viewInvitation) }
    res.json(view)
  }
}

const viewInvitation = ({ createdAt, expiresAt, ...row }: InvitationRow) => ({
  ...row,
  createdAt: toWire(createdAt),
  expiresAt: toWire(expiresAt),
})
