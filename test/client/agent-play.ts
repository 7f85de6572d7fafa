// Builders for tests of the agent: leases and reports by number, events played one second apart, effects as words.

import type { KeptReport, Lease } from '#protocol/scheduler.ts'
import { CampaignId, ResultId, Sha256, WorkUnitId } from '#protocol/units.ts'
import { step } from '#runtime/agent.ts'
import {
  type AgentEffect,
  type AgentEvent,
  type AgentOptions,
  type AgentState,
  startAgent,
} from '#runtime/agent-state.ts'
import { aReply } from './replies.ts'

export const id = (n: number): ResultId => ResultId.parse(`r_${String(n).padStart(26, '0')}`)
export const hash = Sha256.parse('a'.repeat(64))

export const lease = (n: number): Lease => ({
  resultId: id(n),
  workUnitId: WorkUnitId.parse(`w_${String(n).padStart(26, '0')}`),
  campaign: { id: CampaignId.parse(`c_${'0'.repeat(26)}`), title: 'a question' },
  job: '{}',
  runKey: hash,
  engineClass: 'wasm',
  kernel: {
    name: 'toy',
    version: 0,
    release: {
      statement: {
        type: 'xeenet/kernel-release/1',
        name: 'toy',
        version: 0,
        serial: 1,
        releaseSha256: hash,
        moduleSha256: hash,
        keyId: hash,
      },
      signature: 'A'.repeat(86),
    },
  },
  data: [],
  fuelMax: 1,
  memoryPagesMax: 1,
  deadline: '2026-11-22T00:00:00.000Z',
})

export const report = (n: number, outcome: 'success' | 'error' = 'error'): KeptReport =>
  outcome === 'error'
    ? { resultId: id(n), outcome, code: 'internal', detail: '', cpuMs: 1 }
    : { resultId: id(n), outcome, report: '{}', digest: hash, signature: 'A'.repeat(86), cpuMs: 1 }

const options: AgentOptions = { cores: 1, count: null, endWithoutWork: false }
export const accepted = (...ns: number[]) => ns.map(n => ({ resultId: id(n), outcome: 'accepted' as const }))

/** Feeds events one second apart; the last state and the effects of the last event. */
export function play(
  events: readonly AgentEvent[],
  given: Partial<AgentOptions> = {},
): { state: AgentState; effects: readonly AgentEffect[]; now: number } {
  let now = 1_000_000
  let stepped: { state: AgentState; effects: readonly AgentEffect[] } = {
    state: startAgent({ ...options, ...given }),
    effects: [],
  }
  for (const event of events) {
    now += 1_000
    stepped = step(stepped.state, event, now)
  }
  return { ...stepped, now }
}

/** Effects in a line of words: news by name, calls with what they carry. */
export const words = (effects: readonly AgentEffect[]): string[] =>
  effects
    .filter(effect => effect.type !== 'wake')
    .map(effect => {
      switch (effect.type) {
        case 'tell':
          return effect.news.ev
        case 'start':
        case 'keep':
          return `${effect.type} ${Number(effect.lease.resultId.slice(2))}`
        case 'release':
          return `release ${Number(effect.lease.resultId.slice(2))}`
        case 'abandon':
        case 'forget':
        case 'forget_artifact':
          return `${effect.type} ${Number(effect.resultId.slice(2))}`
        case 'call':
          return effect.call.type === 'upload'
            ? 'upload'
            : `call ${effect.call.reports.length} reports, ${effect.call.want} wanted`
        case 'exit':
          return `exit ${effect.code}`
        default:
          return effect.type
      }
    })

export const start: AgentEvent = { type: 'restored', leases: [], reports: [] }
export const reply = (given: Parameters<typeof aReply>[0]): AgentEvent => ({
  type: 'replied',
  reply: aReply(given),
})
export const finished = (n: number, outcome: 'success' | 'error' = 'success'): AgentEvent => ({
  type: 'finished',
  report: report(n, outcome),
})
export const tick: AgentEvent = { type: 'tick' }
