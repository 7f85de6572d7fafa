import { type Operation, page } from './operation.ts'

/** Kernels, and the proposals of others. */
export const KERNEL_OPERATIONS: readonly Operation[] = [
  { method: 'get', path: '/api/v1/kernels', summary: 'Admitted kernels', reply: 'KernelList' },
  {
    ...{ method: 'get', path: '/api/v1/kernels/proposals', security: 'user', query: page },
    ...{ summary: "Kernels that were proposed: one's own, for operators all", reply: 'ProposalList' },
  },
  {
    ...{ method: 'post', path: '/api/v1/kernels/proposals', security: 'user', body: 'bytes', status: 201 },
    ...{ summary: 'Propose a kernel: the bytes of its release', reply: 'ProposalView', also: [200] },
  },
  {
    ...{ method: 'get', path: '/api/v1/kernels/proposals/{id}', security: 'user', reply: 'ProposalView' },
    summary: 'A proposal: its state, and why it was rejected',
  },
  {
    ...{ method: 'get', path: '/api/v1/kernels/proposals/{id}/release', security: 'user', reply: 'bytes' },
    summary: 'The bytes of an open proposal, for its owner and for operators',
  },
  {
    ...{ method: 'post', path: '/api/v1/kernels/proposals/{id}/withdraw', security: 'user' },
    ...{ summary: 'Take a proposal back', reply: 'ProposalView' },
  },
  {
    ...{ method: 'post', path: '/api/v1/kernels/proposals/{id}/reject', security: 'user' },
    ...{ summary: 'Reject a proposal, as an operator', body: 'RejectBody', reply: 'ProposalView' },
  },
  {
    ...{ method: 'post', path: '/api/v1/kernels/proposals/{id}/admit', security: 'user' },
    ...{ summary: 'Admit a proposal by a signed statement', body: 'AdmitBody', reply: 'ProposalView' },
  },
]
