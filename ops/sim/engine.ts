import type { HostId } from '#protocol/units.ts'
import type { Ending, Grid, Report, SimLease } from './grid.ts'
import { type Meter, newMeter, type Tally } from './meter.ts'
import { afterWork, enrolAgain, type Host, type Mix, populationOf, RUN_MS } from './population.ts'
import { type EventQueue, eventQueue } from './queue.ts'
import { between, normal, stream } from './random.ts'
import { type Answer, type Run, truthOf } from './truth.ts'
import { newVerifier, type Verifier } from './verifier.ts'

const MINUTE_MS = 60_000
const DAY_MS = 24 * 3600_000

/** What goes wrong with honest intent, each per run. */
const GIVES_BACK = 0.005
const FAILS = 0.005
const GOES_AWAY = 0.003 // for one to three days in the middle of a run
const STOPS_POLITELY = 0.5 // gives its lease back when it leaves for good

const NOTHING_TO_DO_MS = 10 * MINUTE_MS
const AUDIT_MS = 5 * MINUTE_MS
const SUPPLY_MS = 30 * MINUTE_MS
/** Work that waits, in results per host: a campaign is submitted when there is less. */
const SUPPLY_PER_HOST = 3

export interface Plan extends Mix {
  readonly start: number
  readonly days: number
  readonly steadyFromDay: number
  readonly verifierCores: number
  readonly campaign: { readonly experiments: number; readonly seeds: number; readonly quorum: number }
}

export interface Outcome {
  readonly tally: Tally
  readonly ending: Ending
  readonly meanHosts: number
  readonly calls: number
}

type Event =
  | { readonly type: 'arrive' }
  | { readonly type: 'enrol' | 'visit'; readonly host: Host }
  | { readonly type: 'verify' | 'audit' | 'supply' | 'count' }

interface World {
  readonly plan: Plan
  readonly grid: Grid
  readonly clock: Clock
  readonly meter: Meter
  readonly queue: EventQueue<Event>
  readonly hosts: Map<HostId, Host>
  readonly verifier: Verifier
  campaigns: number
  present: number
  calls: number
  serial: number
  /** Days × hosts, counted once an hour. */
  presentSum: number
  presentCounts: number
}

/** The moment it is in the simulation; grids read it. */
export interface Clock {
  now: number
}

/** Runs the plan on a grid whose clock is `clock`. The same plan does the same in every grid that decides the same. */
export async function simulate(plan: Plan, grid: Grid, clock: Clock): Promise<Outcome> {
  const world: World = {
    ...{ plan, grid, clock, queue: eventQueue<Event>(), hosts: new Map() },
    meter: newMeter(plan.start + plan.steadyFromDay * DAY_MS, grid.leaderRows),
    verifier: await newVerifier(grid, plan.verifierCores),
    ...{ campaigns: 0, present: 0, calls: 0, serial: 0, presentSum: 0, presentCounts: 0 },
  }
  const population = populationOf(plan)
  for (const type of ['supply', 'verify', 'audit', 'count'] as const) world.queue.plan(plan.start, { type })
  const settleIn = stream(plan.seed, 'first day')
  for (let i = 0; i < population.first; i++) bring(world, population, plan.start + settleIn() * DAY_MS)
  world.queue.plan(plan.start + population.nextArrivalMs(), { type: 'arrive' })
  const end = plan.start + plan.days * DAY_MS
  for (;;) {
    const next = world.queue.next()
    if (next === undefined || next.at >= end) break
    await serverUntil(world, next.at)
    clock.now = next.at
    if (next.event.type === 'arrive') {
      bring(world, population, next.at)
      world.queue.plan(next.at + population.nextArrivalMs(), next.event)
    } else await happen(world, next.event)
  }
  await serverUntil(world, end)
  const ending = await grid.end()
  const tally = world.meter.tally(ending, world.hosts)
  return { tally, ending, meanHosts: world.presentSum / world.presentCounts, calls: world.calls }
}

/** Lets the server do what falls due before anybody calls. */
async function serverUntil(world: World, at: number): Promise<void> {
  for (;;) {
    const wake = await world.grid.wakeAt()
    if (wake === null || wake > at) return
    world.clock.now = Math.max(world.clock.now, wake)
    await settle(world)
  }
}

async function settle({ grid, meter, clock }: World): Promise<void> {
  await grid.settle()
  for (const view of await grid.changes()) meter.see(view, clock.now)
}

function bring(world: World, population: ReturnType<typeof populationOf>, at: number): void {
  for (const host of population.arrive(at).hosts) world.queue.plan(at, { type: 'enrol', host })
}

async function happen(world: World, event: Exclude<Event, { type: 'arrive' }>): Promise<void> {
  const { grid, queue, clock } = world
  switch (event.type) {
    case 'enrol':
      return enrol(world, event.host)
    case 'visit':
      return visit(world, event.host)
    case 'verify': {
      const next = await world.verifier.visit(clock.now, lease => leased(world, 'verifier', lease))
      await settle(world)
      return queue.plan(next, event)
    }
    case 'audit':
      await grid.audit()
      await settle(world)
      return queue.plan(clock.now + AUDIT_MS, event)
    case 'supply':
      await supply(world)
      return queue.plan(clock.now + SUPPLY_MS, event)
    case 'count':
      world.presentSum += world.present
      world.presentCounts++
      return queue.plan(clock.now + 60 * MINUTE_MS, event)
  }
}

async function supply(world: World): Promise<void> {
  while ((await world.grid.unsent()) < world.plan.hosts * SUPPLY_PER_HOST) {
    await world.grid.submit({ number: world.campaigns++, ...world.plan.campaign })
    await settle(world)
  }
}

async function enrol(world: World, host: Host): Promise<void> {
  if (host.leavesAt <= world.clock.now) return
  host.id = await world.grid.enrol({ ownerKey: host.ownerKey, trusted: false, cores: 1 })
  world.hosts.set(host.id, host)
  world.present++
  await visit(world, host)
}

const leased = (world: World, host: Host | 'verifier', lease: SimLease): void =>
  world.meter.leased(host, lease, world.clock.now)

/** A host has finished a run, or asks for one. */
async function visit(world: World, host: Host): Promise<void> {
  const { grid, queue, clock } = world
  const { id, work } = host
  if (id === null) return
  const leaves = host.leavesAt <= clock.now
  const reports = work === null ? [] : reportOf(world, host, work, leaves)
  if (leaves) world.present--
  if (leaves && reports.length === 0) {
    if (work !== null) world.meter.lost(clock.now)
    return
  }
  host.work = null
  world.calls++
  const reply = await grid.call({
    ...{ hostId: id, reports, held: [], want: leaves ? 0 : 1 },
    selfTest: host.selfTestDemanded ? selfTestOf(host) : null,
  })
  await settle(world)
  if (reply.type === 'refused') return leaves ? undefined : refused(world, host)
  host.selfTestDemanded = reply.selfTestDemanded
  const [lease] = reply.leases
  if (leaves) return
  if (lease === undefined) {
    const pause = reply.selfTestDemanded ? SELF_TEST_MS : Math.max(reply.retryAfterMs, NOTHING_TO_DO_MS)
    return queue.plan(afterWork(host, clock.now, pause), { type: 'visit', host })
  }
  leased(world, host, lease)
  host.work = lease
  queue.plan(doneAt(host, clock.now), { type: 'visit', host })
}

const SELF_TEST_MS = 15 * MINUTE_MS
/** How often the longer test that is demanded after a fault finds the bad memory that caused it. */
const SELF_TEST_FINDS = 0.7

const selfTestOf = ({ strategy, random }: Host): 'passed' | 'failed' =>
  strategy.kind === 'flaky' && random() < SELF_TEST_FINDS ? 'failed' : 'passed'

function doneAt(host: Host, now: number): number {
  const sigma = 0.3
  const ms = RUN_MS * Math.exp(sigma * normal(host.random) - sigma ** 2 / 2)
  const away = host.random() < GOES_AWAY ? between(1, 3, host.random) * DAY_MS : 0
  return Math.min(afterWork(host, now, ms) + away, Math.max(now, host.leavesAt))
}

/** What became of a run; nothing when nobody will hear of it. */
function reportOf(world: World, host: Host, work: NonNullable<Host['work']>, leaves: boolean): Report[] {
  const { resultId, run } = work
  const luck = host.random()
  if (leaves) return luck < STOPS_POLITELY ? [{ type: 'error', resultId, code: 'host_stopped' }] : []
  if (luck < GIVES_BACK) return [{ type: 'error', resultId, code: 'host_stopped' }]
  if (luck < GIVES_BACK + FAILS) return [{ type: 'error', resultId, code: 'out_of_memory' }]
  const answer = answerOf(world, host, run)
  host.reports++
  host.lastAnswer = answer
  world.meter.reported(host, resultId, run, answer)
  return [{ type: 'success', resultId, answer }]
}

function answerOf(world: World, host: Host, run: Run): Answer {
  const { person, trait, reports, lastAnswer, random } = host
  return host.strategy.answer({
    ...{ run, truth: truthOf(run), random, serial: world.serial++, published: world.meter.published() },
    self: {
      ...{ person: person.name, rate: person.rate, trait, reports, lastAnswer },
      exclusions: person.exclusions,
    },
  })
}

/** An excluded host: an honest one is gone, the others come back under another name. */
function refused(world: World, host: Host): void {
  world.present--
  const at = enrolAgain(host, world.clock.now)
  if (at !== undefined) world.queue.plan(at, { type: 'enrol', host })
}
