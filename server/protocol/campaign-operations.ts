import { type Operation, page } from './operation.ts'

/** What is done with campaigns, and what is read of them. */
export const CAMPAIGN_OPERATIONS: readonly Operation[] = [
  {
    ...{ method: 'post', path: '/api/v1/campaigns/validate', summary: 'What a campaign would do and cost' },
    ...{ security: 'anybody', body: 'CampaignFile', reply: 'ValidateReply' },
  },
  {
    ...{ method: 'post', path: '/api/v1/campaigns', summary: 'Submit a campaign', security: 'user' },
    ...{ body: 'CampaignFile', reply: 'CampaignView', status: 201, headers: ['idempotency-key'] },
    dryRun: 'DryRun',
  },
  {
    method: 'get',
    path: '/api/v1/campaigns',
    summary: 'Campaigns, newest first',
    reply: 'CampaignList',
    query: page,
  },
  { method: 'get', path: '/api/v1/campaigns/{id}', summary: 'A campaign', reply: 'CampaignView' },
  {
    ...{ method: 'put', path: '/api/v1/campaigns/{id}', summary: 'Revise a campaign', security: 'user' },
    ...{ body: 'ReviseBody', reply: 'CampaignView', dryRun: 'DryRun' },
  },
  {
    ...{ method: 'post', path: '/api/v1/campaigns/{id}/pause', security: 'user', reply: 'CampaignView' },
    summary: 'Hand out nothing new of a campaign; what is in progress counts',
  },
  {
    ...{ method: 'post', path: '/api/v1/campaigns/{id}/resume', security: 'user', reply: 'CampaignView' },
    summary: 'Let a paused campaign go on',
  },
  {
    ...{ method: 'post', path: '/api/v1/campaigns/{id}/stop', security: 'user', body: 'StopBody' },
    ...{ summary: 'End a campaign early; what is not spent comes back', reply: 'CampaignView' },
    bodyOptional: true,
  },
  {
    ...{ method: 'post', path: '/api/v1/campaigns/{id}/cancel', security: 'user', body: 'StopBody' },
    ...{ summary: 'The older name of stop', reply: 'CampaignView' },
    bodyOptional: true,
  },
  {
    ...{ method: 'get', path: '/api/v1/campaigns/{id}/revisions', reply: 'RevisionList' },
    summary: 'What its file said when, without the files',
  },
  {
    ...{ method: 'get', path: '/api/v1/campaigns/{id}/revisions/{number}', reply: 'RevisionView' },
    summary: 'One file of a campaign; latest for the one that counts',
  },
  {
    ...{ method: 'post', path: '/api/v1/campaigns/{id}/experiments', security: 'user', body: 'ProposeBody' },
    ...{ summary: 'Have recipes tried beside those of the sampler', reply: 'ProposeReply' },
    ...{ dryRun: 'ProposeReply', headers: ['idempotency-key'] },
  },
  {
    ...{ method: 'get', path: '/api/v1/campaigns/{id}/ticks', reply: 'CampaignTicks' },
    summary: 'Its public runs in the order in which they became so, added up to what a rug has room for',
  },
  {
    method: 'get',
    path: '/api/v1/campaigns/{id}/leaderboard',
    summary: 'Experiments, best first',
    reply: 'Leaderboard',
    query: ['limit'],
  },
  {
    ...{
      method: 'get',
      path: '/api/v1/campaigns/{id}/export',
      summary: 'Every published run: CorpusRow a line, or CSV',
    },
    ...{ reply: 'text', query: ['format'] },
  },
  {
    ...{ method: 'get', path: '/api/v1/campaigns/{id}/work-units', summary: 'Where each run stands' },
    ...{ reply: 'WorkUnitList', query: page },
  },
]
