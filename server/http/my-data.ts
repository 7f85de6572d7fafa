import type { RequestHandler } from 'express'
import { heldAccount, userAccount } from '#domain/ledger.ts'
import { PAGE_ROWS_MAX, SESSION_IDLE_MS } from '#protocol/limits.ts'
import { addMs, toWire, type UserId } from '#protocol/units.ts'
import { campaignsOf } from '#store/campaigns.ts'
import { listKeys } from '#store/keys.ts'
import { type EntryRow, lastEntries } from '#store/receipts.ts'
import { listSessions } from '#store/sessions.ts'
import { userFacts } from '#store/users.ts'
import { hostsOf } from '#store/views.ts'
import { webhooksOf } from '#store/webhooks.ts'
import { requireAccount } from './auth.ts'
import type { Edge } from './edge.ts'
import { viewKey } from './keys.ts'
import { entryOf } from './ledger.ts'
import { Refused } from './problem.ts'
import { stream } from './stream.ts'

/**
 * GET /me/export: what is kept of an account, as one JSON document, however long its ledger is. What it published is public anyway;
 * secrets are kept as hashes, which say nothing, and are left out.
 */
export function exportMe(edge: Edge): RequestHandler {
  return async (req, res) => {
    const { userId } = await requireAccount(edge, req, 'campaign')
    const head = await headOf(edge, userId)
    res.setHeader('content-type', 'application/json')
    res.setHeader('content-disposition', 'attachment; filename="xeenet-account.json"')
    await stream(res, documentOf(edge, userId, head))
  }
}

async function headOf(edge: Edge, userId: UserId): Promise<Readonly<Record<string, unknown>>> {
  const now = edge.now()
  const account = await userFacts(edge.knex, userId)
  if (account === undefined) throw new Refused('not_found')
  const idleSince = addMs(now, -SESSION_IDLE_MS)
  const [hosts, keys, sessions, webhooks, campaigns] = await Promise.all([
    hostsOf(edge.knex, userId),
    listKeys(edge.knex, userId),
    listSessions(edge.knex, { userId, now, idleSince }),
    webhooksOf(edge.knex, userId),
    campaignsOf(edge.knex, userId),
  ])
  const dated = <T extends object>(row: T): object =>
    Object.fromEntries(
      Object.entries(row).map(([name, value]) => [
        name,
        /At$/.test(name) && value !== null ? toWire(value) : value,
      ]),
    )
  return {
    ...{ serverId: edge.serverId, at: toWire(now), account: dated(account), hosts: hosts.map(dated) },
    ...{ keys: keys.map(viewKey), sessions: sessions.map(dated), campaigns: campaigns.map(dated) },
    webhooks: webhooks.map(({ id, url, kinds, state, campaignId }) => ({
      id,
      url,
      kinds,
      state,
      campaignId,
    })),
  }
}

async function* documentOf(
  edge: Edge,
  userId: UserId,
  head: Readonly<Record<string, unknown>>,
): AsyncGenerator<string> {
  const account = userAccount(userId)
  yield `${JSON.stringify(head).slice(0, -1)},"ledger":[`
  let before: number | null = null
  for (;;) {
    const rows: EntryRow[] = await lastEntries(edge.knex, {
      ...{ accounts: [account, heldAccount(account)], limit: PAGE_ROWS_MAX, before },
    })
    yield rows
      .map(row => `${before === null && row === rows[0] ? '' : ','}\n${JSON.stringify(entryOf(row))}`)
      .join('')
    before = rows.at(-1)?.id ?? null
    if (rows.length < PAGE_ROWS_MAX || before === null) break
  }
  yield '\n]}\n'
}
