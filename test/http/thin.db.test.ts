import { afterAll, beforeAll, expect, test } from 'vitest'
import { addCampaign, addUser, runReport } from '#support/builders.ts'
import { enrolHost, startServer, type TestServer } from '#support/server.ts'

let server: TestServer
beforeAll(async () => {
  server = await startServer()
})
afterAll(() => server.close())

test('a host enrols, computes and is told', async () => {
  const owner = await addUser(server.database.knex, 'ada', { milli: 1e9 })
  const { units } = await addCampaign(server.database.knex, server, owner.id, [{}, {}])
  const host = await enrolHost(server)
  const reply = await host.ask({ want: 2 })
  expect(reply.leases).toHaveLength(2)
  const [lease] = reply.leases
  expect(lease!.workUnitId).toBe(units[0]!.id)
  const report = await host.report(lease!.resultId, runReport())
  const next = await host.ask({
    reports: [report],
    held: [{ resultId: reply.leases[1]!.resultId, fraction: 0.5 }],
  })
  expect(next.reports).toEqual([{ resultId: lease!.resultId, outcome: 'accepted' }])
  expect(server.woken.workUnits).toEqual([lease!.workUnitId])
  const view = await server.call('GET', `/api/v1/hosts/${host.id}`)
  expect(view.json).toMatchObject({ results: { inProgress: 1, pending: 1 } })
})
