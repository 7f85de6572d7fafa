import { CampaignView } from '#protocol/campaign.ts'
import type { TestServer } from './server.ts'

/** The address of a small campaign that this user submitted, for tests of what hangs on one. */
export async function submitted(server: TestServer, token: string): Promise<string> {
  const body = {
    ...{ title: 'Which learning rate?', kernel: 'tiny@0', data: 'fox@1' },
    ...{ metric: { name: 'val_bpb', goal: 'minimize' }, sampler: { name: 'grid' } },
    budget: { fuel_per_run: 1e9, runs: 4, credits: 10 },
    baseline: false,
    space: { lr: { log: [0.001, 0.1], points: 4 } },
  }
  const { json } = await server.call('POST', '/api/v1/campaigns', { token, body })
  return `/api/v1/campaigns/${CampaignView.parse(json).id}`
}
