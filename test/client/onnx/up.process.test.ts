// `xeenet up` with native engines, as a process: what it offers, what it reports, and what a kill costs.

import { mkdtemp, readdir, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, beforeEach, describe, expect, test } from 'vitest'
import type { NativeOrder } from '#client/node/native/messages.ts'
import { runNatively } from '#client/onnx/run.ts'
import { launch, type Program, stop, XEENET } from '#ops/process.ts'
import { RunReport } from '#protocol/report.ts'
import { HostReport, type Lease } from '#protocol/scheduler.ts'
import { EXIT } from '#runtime/exit-codes.ts'
import { freely } from '#runtime/self-test.ts'
import { type Peer, startPeer } from '../peer.ts'
import { aReply } from '../replies.ts'
import { charlm, lend, orderOf } from './orders.ts'
import { isMissing, nativeRuntime } from './session.ts'

let directory = ''
let peer: Peer
const programs: Program[] = []
const leases: Lease[] = []
beforeEach(async () => {
  directory = await mkdtemp(join(tmpdir(), 'xeenet-native-'))
  peer = await startPeer(body => {
    const reports = body.reports.map(report => HostReport.parse(report))
    const answers = reports.map(({ resultId }) => ({ resultId, outcome: 'accepted' as const }))
    return aReply({ leases: leases.splice(0), reports: answers, retryAfterMs: 50 })
  })
})
afterEach(async () => {
  for (const program of programs.splice(0)) await stop(program)
  await peer.close()
  await rm(directory, { recursive: true, force: true })
})

function up(...args: string[]): Program {
  const places = ['--state-dir', directory, '--cache-dir', join(directory, 'cache')]
  const flags = ['up', '--server', peer.url, '--once', '--cores', '1', '--preset', 'all', '--json']
  const program = launch('up', [XEENET, ...flags, ...places, ...args])
  programs.push(program)
  return program
}

/** What the run comes to here. */
async function expected(order: NativeOrder): Promise<string> {
  const { module, manifest } = await charlm()
  const outcome = await runNatively(
    { ...order, module, manifest },
    nativeRuntime(),
    freely(() => performance.now()),
  )
  if (outcome.type !== 'report') throw new Error(outcome.type)
  return outcome.text
}

const reports = () => peer.seen.flatMap(({ body }) => body.reports.map(report => HostReport.parse(report)))

describe.skipIf(isMissing)('a volunteer with a native engine', () => {
  test('tests it, offers it with its rate, computes a native lease, and remembers the rate', async () => {
    const order = await orderOf()
    leases.push(await lend(peer, order))
    const program = up('--engines', 'onnx-cpu,wasm')
    expect(await program.exited, program.lastWords()).toBe(EXIT.ok)
    const [said] = program.events.filter(({ ev, engine }) => ev === 'engine' && engine === 'onnx-cpu')
    expect(said).toMatchObject({ provider: 'cpu' })
    expect(peer.enrolments[0]?.engineClasses).toEqual(['onnx-cpu', 'wasm'])
    const [first] = peer.seen
    expect(first?.body.engineClasses).toEqual(['onnx-cpu', 'wasm'])
    expect(first?.body.engineRates?.['onnx-cpu']).toBeGreaterThan(1e8)
    const [report] = reports()
    if (report?.outcome !== 'success') throw new Error(JSON.stringify(report))
    expect(report.report).toBe(await expected(order))
    expect(RunReport.parse(JSON.parse(report.report))).toMatchObject({ engine: 'onnx-cpu', status: 'ok' })

    const again = up('--engines', 'onnx-cpu')
    expect(await again.exited, again.lastWords()).toBe(EXIT.noWork)
    const rates = peer.seen.map(({ body }) => body.engineRates?.['onnx-cpu'])
    expect(new Set(rates).size).toBe(1)
    expect(peer.seen.at(-1)?.body.engineClasses).toEqual(['onnx-cpu'])
  })

  test('killed in the middle of a run it goes on from the checkpoint to the same bytes, and leaves no process behind', async () => {
    const recipe = { width: 64, depth: 2, context: 64, batch: 8 }
    const order = await orderOf({}, { recipe, updates: 300 })
    leases.push(await lend(peer, order))
    const program = up('--engines', 'onnx-cpu', '--checkpoint-seconds', '0.1')
    const saved = async () => (await readdir(await checkpoints())).some(name => !name.endsWith('.tmp'))
    await program.until(({ ev, step }) => ev === 'result.progress' && Number(step) > 0)
    while (!(await saved())) await new Promise(resolve => setTimeout(resolve, 10))
    program.child.kill('SIGKILL')
    await program.exited

    const next = up('--engines', 'onnx-cpu', '--checkpoint-seconds', '0.1')
    expect(await next.exited, next.lastWords()).toBe(EXIT.ok)
    const [first] = next.events.filter(({ ev }) => ev === 'result.progress')
    expect(Number(first?.step ?? 300)).toBeGreaterThan(1)
    const [report] = reports()
    expect(report).toMatchObject({ outcome: 'success', report: await expected(order) })
  })

  test('without any of the engines that were asked for it ends with a reason', async () => {
    const program = up('--engines', 'onnx-cuda', '--gpu', 'none')
    expect(await program.exited).toBe(EXIT.failure)
    expect(program.events.find(({ ev }) => ev === 'error')).toMatchObject({ code: 'no_engine' })
  })
})

/** The folder of the only host's checkpoints. */
async function checkpoints(): Promise<string> {
  const entries = await readdir(directory, { recursive: true })
  return join(directory, entries.find(entry => entry.endsWith('checkpoints')) ?? 'none')
}
