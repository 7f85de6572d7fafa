import type { Request, RequestHandler } from 'express'
import * as accounts from './accounts.ts'
import type { Network } from './address.ts'
import { bytesUpTo } from './body.ts'
import { type Methods, SMALL_BODY_BYTES } from './campaign-routes.ts'
import * as devices from './devices.ts'
import type { Edge } from './edge.ts'
import * as keys from './keys.ts'
import * as login from './login.ts'
import { exportMe } from './my-data.ts'
import * as myHosts from './my-hosts.ts'
import { deleteMe } from './people.ts'
import { showMe } from './reads.ts'
import { newThrottle } from './throttle.ts'

interface Given {
  readonly networkOf: (req: Request) => Network
  /** Bounds the calls of an address that act for no account. */
  readonly anonymous: RequestHandler
  /** Bounds the calls of an address, whoever they say they are. */
  readonly everybody: RequestHandler
}

/** Accounts that people make themselves: signing up, logging in and out, and the keys they give away. */
export function accountRoutes(
  edge: Edge,
  api: string,
  { networkOf, anonymous, everybody }: Given,
): Record<string, Methods> {
  const throttle = newThrottle(edge)
  const small = bytesUpTo(SMALL_BODY_BYTES)
  return {
    [`${api}/accounts`]: { post: [everybody, small, accounts.signUp(edge, networkOf)] },
    [`${api}/accounts/challenge`]: { get: [everybody, accounts.issueAccountChallenge(edge, networkOf)] },
    [`${api}/session`]: {
      get: [login.showSession(edge)],
      post: [everybody, small, login.logIn(edge, throttle)],
      delete: [anonymous, login.logOut(edge)],
    },
    [`${api}/sessions`]: { get: [login.showSessions(edge)] },
    [`${api}/sessions/revoke`]: { post: [anonymous, small, login.revokeSessions(edge)] },
    [`${api}/me/password`]: { post: [everybody, small, login.changePassword(edge, throttle)] },
    [`${api}/me`]: { get: [showMe(edge)], delete: [anonymous, small, deleteMe(edge, throttle)] },
    [`${api}/me/export`]: { get: [exportMe(edge)] },
    [`${api}/hosts/:id/name`]: { put: [anonymous, small, myHosts.rename(edge)] },
    [`${api}/hosts/:id/retire`]: { post: [anonymous, myHosts.retire(edge)] },
    [`${api}/devices`]: { post: [everybody, small, devices.startDevice(edge)] },
    // Bounded by its own pace: a family behind one address may set up several machines.
    [`${api}/devices/token`]: { post: [small, devices.pollDevice(edge)] },
    [`${api}/devices/look`]: { post: [everybody, small, devices.lookAtDevice(edge, throttle)] },
    [`${api}/devices/decide`]: { post: [everybody, small, devices.decideOnDevice(edge, throttle)] },
    [`${api}/keys`]: { get: [keys.showKeys(edge)], post: [anonymous, small, keys.createKey(edge)] },
    [`${api}/keys/:id/revoke`]: { post: [anonymous, small, keys.endKey(edge)] },
    [`${api}/invitations`]: {
      get: [accounts.showInvitations(edge)],
      post: [anonymous, small, accounts.createInvitation(edge)],
    },
    [`${api}/invitations/:id`]: { delete: [anonymous, accounts.removeInvitation(edge)] },
  }
}
