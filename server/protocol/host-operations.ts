import { type Operation, page } from './operation.ts'

/** Hosts: what they say of themselves, and what is told of them. What their user does with them is an account's. */
export const HOST_OPERATIONS: readonly Operation[] = [
  {
    ...{ method: 'post', path: '/api/v1/hosts', summary: 'Enrol a host', security: 'anybody' },
    ...{ body: 'EnrolBody', reply: 'EnrolReply', status: 201 },
  },
  {
    ...{ method: 'get', path: '/api/v1/hosts/challenge', reply: 'EnrolChallenge' },
    summary: 'Work for an enrolment without a token',
  },
  {
    ...{ method: 'get', path: '/api/v1/hosts/{id}', security: 'anybody', reply: 'HostView' },
    summary: 'A host, in public; more for itself and its user',
  },
  {
    ...{ method: 'get', path: '/api/v1/hosts/{id}/results', security: 'anybody', reply: 'HostResultList' },
    ...{ summary: 'What a host was given, the latest first; more for itself and its user', query: page },
  },
  {
    ...{ method: 'get', path: '/api/v1/hosts/{id}/ticks', reply: 'HostTicks' },
    summary: 'What a host reported in the last day, added up to what a rug has room for',
  },
  {
    ...{ method: 'post', path: '/api/v1/hosts/{id}/claim', security: 'host', body: 'ClaimBody' },
    ...{ summary: 'Give an anonymous host to an account', reply: 'ClaimReply' },
  },
  {
    ...{ method: 'post', path: '/api/v1/hosts/{id}/appeal', security: 'anybody', body: 'AppealBody' },
    ...{ summary: 'Appeal an exclusion, as the host or its user', reply: 'ExclusionView', status: 201 },
  },
]
