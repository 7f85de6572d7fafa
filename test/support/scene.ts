import { appealUntil } from '#domain/appeal.ts'
import type { CampaignId, HostId, UserId } from '#protocol/units.ts'
import { addAction, partyOf } from '#store/actions.ts'
import { inTransaction } from '#store/database.ts'
import { readHost, setHostState } from '#store/hosts.ts'
import { addCampaign, addUser, type MadeUnit, testIds, type UnitSpec } from './builders.ts'
import { startServer, type TestServer } from './server.ts'

/** A server with a researcher and a platform user: where the tests of the scheduler play. */
export interface Scene {
  readonly server: TestServer
  readonly owner: UserId
  readonly ownerToken: string
  readonly verifyToken: string
  campaign(units: readonly UnitSpec[]): Promise<{ id: CampaignId; units: MadeUnit[] }>
  /** Nothing is left to be handed out, so that a test meets only its own work. */
  clear(): Promise<void>
  row(table: 'hosts' | 'results' | 'work_units', id: string): Promise<Record<string, unknown>>
  events(hostId: string): Promise<string[]>
  /** Quarantines a host, and writes it in the log of actions. */
  exclude(id: HostId, reason: string): Promise<void>
}

export async function startScene(): Promise<Scene> {
  const server = await startServer()
  const { knex } = server.database
  const researcher = await addUser(knex, 'researcher')
  const platform = await addUser(knex, 'platform', { scopes: ['verify'] })
  return {
    server,
    owner: researcher.id,
    ownerToken: researcher.token,
    verifyToken: platform.token,
    campaign: units => addCampaign(knex, server, researcher.id, units),
    clear: async () => {
      await knex.raw(`update results set state = 'over', outcome = 'not_needed' where state = 'unsent'`)
    },
    row: async (table, id) => (await knex.raw('select * from ?? where id = ?', [table, id])).rows[0],
    exclude: (id, reason) =>
      inTransaction(knex, async trx => {
        const now = server.now()
        const host = await readHost(trx, id)
        if (host === undefined) throw new Error(`no host ${id}`)
        await setHostState(trx, { id, state: 'quarantined', reason, now })
        const action = { id: testIds.action(now), kind: 'quarantine', party: partyOf(host) } as const
        const why = { actor: 'server', reason, detail: '==x', appealUntil: appealUntil(now) } as const
        await addAction(trx, { ...action, hostIds: [id], ...why }, now)
      }),
    events: async hostId => {
      const { rows } = await knex.raw('select event from host_events where host_id = ? order by id', [hostId])
      return rows.map((row: { event: string }) => row.event)
    },
  }
}
