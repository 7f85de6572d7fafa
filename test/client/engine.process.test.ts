// `xeenet up` and its engines, as a process: the choice, the fall back in mid-life, the exit code of a machine that must not compute.

import { mkdtemp, readFile, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, beforeEach, expect, test } from 'vitest'
import { launch, type Program, stop, XEENET } from '#ops/process.ts'
import { HostReport } from '#protocol/scheduler.ts'
import { Sha256 } from '#protocol/units.ts'
import { EXIT } from '#runtime/exit-codes.ts'
import { hasAvx2 } from '../../client/node/trial.ts'
import { type Peer, startPeer } from './peer.ts'
import { aReply } from './replies.ts'
import { type ToyChanges, toyManifest } from './toy.ts'

let directory = ''
const peers: Peer[] = []
const programs: Program[] = []
beforeEach(async () => {
  directory = await mkdtemp(join(tmpdir(), 'xeenet-engines-'))
})
afterEach(async () => {
  for (const program of programs.splice(0)) await stop(program)
  for (const peer of peers.splice(0)) await peer.close()
  await rm(directory, { recursive: true, force: true })
})

/** A server with one lease, whose kernel has `changes` in its manifest. */
async function peerWithOneLease(changes: ToyChanges = {}): Promise<Peer> {
  let leased = false
  const peer = await startPeer(body => {
    const reports = body.reports.map(report => HostReport.parse(report))
    const leases = leased ? [] : [lease]
    leased = true
    const answers = reports.map(({ resultId }) => ({ resultId, outcome: 'accepted' as const }))
    return aReply({ leases, reports: answers, retryAfterMs: 50 })
  }, changes)
  const lease = await peer.lease(1)
  peers.push(peer)
  return peer
}

function up(peer: Peer, ...args: string[]): Program {
  const places = ['--state-dir', directory, '--cache-dir', join(directory, 'cache')]
  const flags = ['up', '--server', peer.url, '--once', '--cores', '1', '--preset', 'all', '--json']
  const program = launch('up', [XEENET, ...flags, ...places, ...args])
  programs.push(program)
  return program
}

const engines = (program: Program) => program.events.filter(({ ev }) => ev === 'engine').map(e => e.engine)
const reportsTo = (peer: Peer) =>
  peer.seen.flatMap(({ body }) => body.reports.map(report => HostReport.parse(report)))
const best = async () => ((await hasAvx2()) ? 'fast' : 'strict')

test('auto is fast where AVX2 shows, and says so to people and to the server', async () => {
  const peer = await peerWithOneLease()
  const program = up(peer)
  expect(await program.exited, program.lastWords()).toBe(EXIT.ok)
  expect(engines(program)).toEqual([await best()])
  expect(peer.enrolments[0]?.client).toMatch(new RegExp(`^xeenet/\\S+ node/\\S+ ${await best()}$`))
  expect(reportsTo(peer)).toMatchObject([{ outcome: 'success' }])
})

test('strict by request gives the same digest', async () => {
  const peer = await peerWithOneLease()
  expect(await up(peer).exited).toBe(EXIT.ok)
  const other = await peerWithOneLease()
  const program = up(other, '--engine', 'strict')
  expect(await program.exited, program.lastWords()).toBe(EXIT.ok)
  expect(engines(program)).toEqual(['strict'])
  const digests = [...reportsTo(peer), ...reportsTo(other)].map(report => 'digest' in report && report.digest)
  expect(digests).toHaveLength(2)
  expect(digests[0]).toBe(digests[1])
})

/** A peer whose kernel's published digest is not the one that this machine, or any other, computes. */
async function peerThatLies(): Promise<Peer> {
  const { selfTest } = await toyManifest()
  return peerWithOneLease({ selfTest: { ...selfTest!, digest: Sha256.parse('0'.repeat(64)) } })
}

test('a kernel that ends its self-test with another digest gives its task back, with exit code 8', async () => {
  const peer = await peerThatLies()
  const program = up(peer, '--engine', 'strict')
  expect(await program.exited, program.lastWords()).toBe(EXIT.selfTest)
  expect(reportsTo(peer)).toMatchObject([{ outcome: 'error', code: 'self_test_failed' }])
  expect(program.events.find(({ ev }) => ev === 'blocked')).toMatchObject({ code: 'self_test_failed' })

  // From now on it knows before it asks for work.
  const calls = peer.seen.length
  expect(await up(peer, '--engine', 'strict').exited).toBe(EXIT.selfTest)
  expect(peer.seen).toHaveLength(calls)
})

test('the fast engine fails first: the same process goes on with the strict one, and remembers', async context => {
  if ((await best()) === 'strict') context.skip('no AVX2 here: there is no fast engine to fail')
  const program = up(await peerThatLies())
  expect(await program.exited, program.lastWords()).toBe(EXIT.selfTest)
  // The choice, the fall back, and the word of the process that it became.
  expect(engines(program)).toEqual(['fast', 'strict', 'strict'])
  const { failure } = JSON.parse(await readFile(join(directory, 'engine.json'), 'utf8'))
  expect(failure).toContain('toy@0')
})
