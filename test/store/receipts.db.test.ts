import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { type Grant, vest } from '#domain/grants.ts'
import { type Payee, payeeAccount, reserve, userAccount } from '#domain/ledger.ts'
import { type Payday, pay } from '#jobs/pay.ts'
import type { CampaignId, HostId, ResultId } from '#protocol/units.ts'
import { claimHost } from '#store/claims.ts'
import { inTransaction, type Trx } from '#store/database.ts'
import { insertHost } from '#store/hosts.ts'
import { post } from '#store/ledger.ts'
import { transfersOfResult } from '#store/receipts.ts'
import { addCampaign, addUser, sha256, stock, T0, testIds } from '#support/builders.ts'
import { freshDatabase, type TestDatabase } from '#support/database.ts'

let directory: string
let database: TestDatabase
let campaign: { id: CampaignId; resultIds: readonly ResultId[] }
beforeAll(async () => {
  directory = await mkdtemp(join(tmpdir(), 'xeenet-receipts-'))
  database = await freshDatabase()
  const owner = await addUser(database.knex, 'owner', { milli: 1_000 })
  const stocked = await stock(database.knex, directory)
  const { id, units } = await addCampaign(database.knex, stocked, owner.id, [{ quorum: 2, results: 6 }])
  campaign = { id, resultIds: units[0]!.resultIds }
  await run(trx => post(trx, [reserve({ campaignId: id, userId: owner.id, amountMilli: 500 })], T0))
})
afterAll(async () => {
  await database.drop()
  await rm(directory, { recursive: true, force: true })
})

const run = <T>(work: (trx: Trx) => Promise<T>): Promise<T> => inTransaction(database.knex, work)
const payday = (what: Payday) => run(trx => pay(trx, what, T0))
const grantOf = (n: number, amountMilli: number, of: { hostId: HostId; payee: Payee }): Grant => ({
  ...{ resultId: campaign.resultIds[n]!, decision: 0, campaignId: campaign.id, ...of, amountMilli },
})
const told = async ({ resultId }: Grant): Promise<string[]> =>
  (await transfersOfResult(database.knex, resultId)).map(t => `${t.kind} ${t.amountMilli}`)

async function addHost() {
  const hostId = testIds.host(T0)
  await insertHost(database.knex, {
    ...{ id: hostId, userId: null, trusted: false, ownerKey: hostId, name: 'host', publicKey: hostId },
    ...{ tokenHash: sha256(hostId), client: 'test/1', engineClasses: ['wasm'], cores: 1, memoryMiB: 1024 },
    ...{ dailyQuota: 100, now: T0 },
  })
  return { hostId, payee: payeeAccount({ id: hostId, userId: null }) }
}

test('a result finds the transfer that made it final with others, and no other of its host', async () => {
  const host = await addHost()
  const [a, b, c] = [grantOf(0, 30, host), grantOf(1, 20, host), grantOf(2, 5, host)]
  await payday({ grants: [a, b, c] })
  await payday({ vests: [a, b] })
  expect(await told(a)).toEqual(['grant 30', 'vest 50'])
  expect(await told(b)).toEqual(['grant 20', 'vest 50'])
  expect(await told(c)).toEqual(['grant 5'])
  await payday({ reversals: [{ ...b, vested: true }] })
  expect(await told(b)).toEqual(['grant 20', 'vest 50', 'reverse 20', 'forfeit 20'])
  // As each was before several had one.
  await run(trx => post(trx, [{ ...vest([c])[0]!, grants: null, resultId: c.resultId }], T0))
  expect(await told(c)).toEqual(['grant 5', 'vest 5'])
})

test('what was held for a host is found where it became final for the account that claimed it', async () => {
  const host = await addHost()
  const grants = [grantOf(3, 7, host), grantOf(4, 8, host)]
  await payday({ grants })
  const { id: userId } = await addUser(database.knex, 'claimant')
  await run(trx => claimHost(trx, { hostId: host.hostId, userId, now: T0 }))
  await payday({ vests: grants.map(grant => ({ ...grant, payee: userAccount(userId) })) })
  expect(await told(grants[1]!)).toEqual(['grant 8', 'vest 15'])
})
