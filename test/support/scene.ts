import type { CampaignId, UserId } from '#protocol/units.ts'
import { addCampaign, addUser, type MadeUnit, type UnitSpec } from './builders.ts'
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
    events: async hostId => {
      const { rows } = await knex.raw('select event from host_events where host_id = ? order by id', [hostId])
      return rows.map((row: { event: string }) => row.event)
    },
  }
}
