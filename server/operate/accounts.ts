import type { Act } from '#protocol/acts.ts'
import type { UserId } from '#protocol/units.ts'
import {
  type AccountRow,
  countOperators,
  endAdminTokens,
  findAccount,
  setBlocked,
  setQuota,
  setRoles,
} from '#store/accounts.ts'
import type { Trx } from '#store/database.ts'
import { ActRefused, type Plan } from './deps.ts'

type ActOf<Kind extends Act['kind']> = Extract<Act, { kind: Kind }>

/** Who may do what. There is always an operator; who is none any more keeps no token of one. */
export const rolesPlan = ({ userId, roles }: ActOf<'set_roles'>): Plan => ({
  subject: userId,
  look: async trx => {
    const account = await accountOf(trx, userId)
    const wanted = [...new Set(roles)].sort()
    if (String(wanted) === String([...account.roles].sort()))
      throw new ActRefused('act_pointless', `the roles are ${wanted.join(', ')} already`)
    const demoted = account.roles.includes('operator') && !wanted.includes('operator')
    if (demoted && (await countOperators(trx)) < 2)
      throw new ActRefused('last_operator', `${account.name} is the only operator`)
    const lost = demoted ? '; its tokens of scope admin end' : ''
    return {
      touches: 1,
      sentence: `${account.roles.join(', ') || 'nobody'} becomes ${wanted.join(', ')}${lost}`,
      sample: [{ id: userId, what: account.name }],
      inverse: account.roles.length === 0 ? null : { kind: 'set_roles', userId, roles: account.roles },
    }
  },
  do: async (trx, deps) => {
    await setRoles(trx, userId, [...new Set(roles)])
    if (!roles.includes('operator')) await endAdminTokens(trx, userId, deps.now())
    return 1
  },
})

/** How much an account may have open at once. */
export const quotaPlan = ({ userId, campaigns, experiments }: ActOf<'set_quota'>): Plan => ({
  subject: userId,
  look: async trx => {
    const { name, campaignsOpenMax, experimentsOpenMax } = await accountOf(trx, userId)
    const say = (value: number | null) => (value === null ? "everybody's" : String(value))
    return {
      touches: 1,
      sentence: `may have open at once: campaigns ${say(campaigns)} (now ${say(campaignsOpenMax)}), experiments ${say(experiments)} (now ${say(experimentsOpenMax)}); what is open stays`,
      sample: [{ id: userId, what: name }],
      inverse: { kind: 'set_quota', userId, campaigns: campaignsOpenMax, experiments: experimentsOpenMax },
    }
  },
  do: (trx, _deps) => setQuota(trx, userId, { campaigns, experiments }),
})

/** No token and no session of an account is taken, or they are again. */
export const blockPlan = ({ kind, userId }: ActOf<'block_user' | 'unblock_user'>): Plan => ({
  subject: userId,
  look: async trx => {
    const { name, roles, blockedAt } = await accountOf(trx, userId)
    const isBlocking = kind === 'block_user'
    if (isBlocking === (blockedAt !== null))
      throw new ActRefused('act_pointless', `${name} is ${isBlocking ? 'blocked already' : 'not blocked'}`)
    if (isBlocking && roles.includes('operator'))
      throw new ActRefused('last_operator', `${name} is an operator: take the role first`)
    return {
      touches: 1,
      sentence: isBlocking
        ? 'none of its tokens is taken any more; its hosts and campaigns go on'
        : 'its tokens are taken again',
      sample: [{ id: userId, what: name }],
      inverse: { kind: isBlocking ? 'unblock_user' : 'block_user', userId },
    }
  },
  do: (trx, deps) => setBlocked(trx, userId, kind === 'block_user' ? deps.now() : null),
})

async function accountOf(trx: Trx, id: UserId): Promise<AccountRow> {
  const account = await findAccount(trx, id)
  if (account === undefined) throw new ActRefused('not_found', `user ${id}`)
  return account
}
