// Two looks at a server, and what happened between them.

import type { Knex } from 'knex'
import { z } from 'zod'
import { selectOne } from '#store/rows.ts'
import type { Figure } from '../figures.ts'
import type { Seen } from './drive.ts'
import {
  childrenSeconds,
  type Flow,
  parentOf,
  processorSeconds,
  residentMib,
  type Stages,
  stagesOf,
} from './observe.ts'

export interface Look {
  readonly at: Date
  readonly seconds: number // on the wall
  readonly stages: Stages
  readonly cpu: ReadonlyMap<string, number> // seconds, by the name of the process
  readonly residentMib: number // of the server
  readonly seen: readonly Seen[]
}

/** A process of the server: its name says what it is there for. */
export interface ServerProcess {
  readonly name: string
  readonly pid: number
}

const POSTGRES = 'postgres'
const GENERATOR = 'generator'

/** How the results, these processes and PostgreSQL stand now. */
export async function lookAt(knex: Knex, servers: readonly ServerProcess[]): Promise<Look> {
  const { backend } = await selectOne(
    knex,
    z.object({ backend: z.int() }),
    'select pg_backend_pid() as backend',
  )
  const postmaster = parentOf(backend)
  const { user, system } = process.cpuUsage()
  const stages = await stagesOf(knex)
  return {
    at: new Date(),
    seconds: performance.now() / 1000,
    stages,
    cpu: new Map([
      ...servers.map(({ name, pid }) => [name, processorSeconds(pid)] as const),
      [POSTGRES, postmaster === undefined ? 0 : childrenSeconds(postmaster) + processorSeconds(postmaster)],
      [GENERATOR, (user + system) / 1e6],
    ]),
    residentMib: sum(servers.map(({ pid }) => residentMib(pid))),
    seen: [],
  }
}

/** Seconds between two looks of so many: each is work for the server, too. */
export const stepOf = (seconds: number): number => Math.min(Math.max(10, seconds / 10), 30, seconds)

const WRITTEN_MS = 2_000

/** What had its time by then is there when one looks. */
export const written = ({ at }: Look): Date => new Date(at.getTime() - WRITTEN_MS)

const sum = (values: readonly number[]): number => values.reduce((total, value) => total + value, 0)

const rate = (before: Look, after: Look, of: (stages: Stages) => number): number =>
  (of(after.stages) - of(before.stages)) / (after.seconds - before.seconds)

/** Calls that were answered, and results through the whole lifecycle, in one line. */
export function lineOf(before: Look, after: Look, { seen, flow }: { seen: Seen; flow: Flow }): string {
  const seconds = after.seconds - before.seconds
  const { unsent, inProgress, unjudged, unpublished, unsealed } = after.stages
  const words = [
    `${(seen.calls / seconds).toFixed(0)} calls/s`,
    `p99 ${quantile(seen.latencies, 0.99).toFixed(0)} ms`,
    `${(flow.reported / seconds).toFixed(0)} reported/s`,
    `${(flow.published / seconds).toFixed(0)} published/s`,
    `unsent ${unsent}, in progress ${inProgress}, unjudged ${unjudged}, unpublished ${unpublished}, unsealed ${unsealed}`,
    `${after.residentMib.toFixed(0)} MiB`,
    ...[...seen.trouble].map(([what, n]) => `${n} × ${what}`),
  ]
  return words.join(' · ')
}

/** Processor seconds of each process between two looks. */
const usedBetween = (first: Look, last: Look): [string, number][] =>
  [...last.cpu].map(([name, seconds]) => [name, seconds - (first.cpu.get(name) ?? 0)])

/** How many cores each process kept busy, in one line. */
export function coresOf(first: Look, last: Look): string {
  const seconds = last.seconds - first.seconds
  return usedBetween(first, last)
    .map(([name, used]) => `${name} ${(used / seconds).toFixed(2)}`)
    .join(', ')
}

const backlog = ({ unjudged, unpublished, unsealed }: Stages): number => unjudged + unpublished + unsealed

/** What is compared: rates, latencies, processor time of a result, bytes of the log, and what was left behind. */
export function figuresOf(first: Look, last: Look, flow: Flow): Figure[] {
  const seconds = last.seconds - first.seconds
  const latencies = last.seen.flatMap(seen => seen.latencies)
  const calls = latencies.length / seconds
  const published = Math.max(1, flow.published)
  const figure = (name: string, value: number, unit: string): Figure => ({
    ...{ name, value: Number(value.toPrecision(4)), unit },
  })
  const used = usedBetween(first, last)
  const cpu = (isMeant: (name: string) => boolean): number =>
    sum(used.flatMap(([name, seconds]) => (isMeant(name) ? [seconds] : [])))
  const postgres = cpu(name => name === POSTGRES)
  const server = cpu(name => name !== POSTGRES && name !== GENERATOR)
  const perResult = (name: string, seconds: number): Figure =>
    figure(`cpu${name}_ms_per_result`, (1000 * seconds) / published, 'ms')
  return [
    figure('rpc_per_s', calls, '1/s'),
    figure('rpc_p50_ms', quantile(latencies, 0.5), 'ms'),
    figure('rpc_p95_ms', quantile(latencies, 0.95), 'ms'),
    figure('rpc_p99_ms', quantile(latencies, 0.99), 'ms'),
    figure('reported_per_s', flow.reported / seconds, '1/s'),
    figure('results_per_s', flow.published / seconds, '1/s'),
    figure('backlog_growth_per_s', rate(first, last, backlog), '1/s'),
    perResult('', server + postgres),
    perResult('_server', server),
    perResult('_postgres', postgres),
    ...used.map(([name, each]) => figure(`cpu_${name.replaceAll(' ', '_')}_share`, each / seconds, 'cores')),
    figure('wal_bytes_per_result', (last.stages.walBytes - first.stages.walBytes) / published, 'bytes'),
    figure('leases', sum(last.seen.map(seen => seen.leases)), ''),
    figure('leases_doubled', sum(last.seen.map(seen => seen.trouble.get('given to two hosts') ?? 0)), ''),
    figure('memory_mib', last.residentMib, 'MiB'),
    figure('troubles', sum(last.seen.flatMap(seen => [...seen.trouble.values()])), ''),
  ]
}

function quantile(values: readonly number[], q: number): number {
  const sorted = values.toSorted((a, b) => a - b)
  return sorted[Math.min(sorted.length - 1, Math.floor(q * sorted.length))] ?? 0
}
