import { readFile } from 'node:fs/promises'
import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { z } from 'zod'
import { CampaignView } from '#protocol/campaign.ts'
import { CorpusRow } from '#protocol/corpus.ts'
import { type Audited, auditDatabase } from './audit.ts'
import { type Grid, startGrid } from './grid.ts'
import { type Event, type Program, stop, xeenet } from './process.ts'

export type Victim = 'server' | 'postgres' | 'client'

interface KillPlan {
  readonly victim: Victim
  readonly kills: number
  /** Decides the moments. */
  readonly seed: number
  readonly dir: string
  /** The campaign to compute meanwhile. */
  readonly file: string
}

/** What stands after the last kill. */
export interface Aftermath extends Audited {
  readonly kills: number
  readonly campaign: string
}

// Kills fall between these after the last recovery: early enough to hit start-up, late enough to hit steady work.
const KILL_AFTER_MS = [100, 2_000] as const
const PATIENCE_MS = 240_000

/**
 * Kills one kind of process at random moments, with SIGKILL, while two volunteers compute a campaign; brings it back
 * each time; waits for the campaign's end; then audits.
 */
export async function killStory(plan: KillPlan): Promise<Aftermath> {
  const rng = mulberry32(plan.seed)
  const env = { XEENET_RETRY_MIN_MS: '100', XEENET_DATASETS: 'sotu-small@1', XEENET_LOG_LEVEL: 'warn' }
  let grid = await startGrid({ dir: plan.dir, env, serverArgs: ['--no-verifier'] })
  const events: Event[] = []
  const volunteers = new Map<string, Program>()
  let verifier: Program | undefined
  const attach = async (owner: string): Promise<void> => {
    const program = await grid.volunteer(owner)
    program.onEvent(event => events.push(event))
    volunteers.set(owner, program)
  }
  try {
    await enter(grid)
    await Promise.all(OWNERS.map(attach))
    const campaign = await submit(grid, plan.file)
    // Not sooner: on a busy machine it would have computed everything before the first volunteer did.
    await Promise.race([...volunteers.values()].map(each => each.until(() => acceptedIn(events).length > 0)))
    verifier = grid.verifier()
    for (let kill = 0; kill < plan.kills; kill++) {
      await sleep(KILL_AFTER_MS[0] + rng() * (KILL_AFTER_MS[1] - KILL_AFTER_MS[0]))
      if (plan.victim === 'postgres') await killPostgres(grid)
      if (plan.victim === 'server') grid = await killServer(grid)
      if (plan.victim === 'client') {
        const owner = rng() < 0.5 ? 'otter' : 'heron'
        await killed(volunteers.get(owner))
        await attach(owner)
      }
    }
    await ended(grid, campaign)
    const { connectionString } = await serverFile(grid)
    return { kills: plan.kills, campaign, ...(await auditDatabase(connectionString, acceptedIn(events))) }
  } catch (error) {
    console.error(grid.server.lastWords())
    throw error
  } finally {
    await Promise.all(
      [...volunteers.values(), ...(verifier === undefined ? [] : [verifier])].map(each => stop(each)),
    )
    await grid.stop()
  }
}

/** Two volunteers compute a campaign undisturbed; run key and digest of every published run. */
export async function computeCampaign(grid: Grid, file: string): Promise<Map<string, string>> {
  await enter(grid)
  await Promise.all(OWNERS.map(owner => grid.volunteer(owner)))
  const campaign = await submit(grid, file)
  await ended(grid, campaign)
  return publishedBy(grid.url, campaign)
}

/** Run key and digest of every published run of a campaign. */
export async function publishedBy(url: string, campaign: string): Promise<Map<string, string>> {
  const response = await fetch(new URL(`/api/v1/campaigns/${campaign}/export?format=ndjson`, url))
  const rows = (await response.text()).trim().split('\n')
  return new Map(rows.map(row => CorpusRow.parse(JSON.parse(row))).map(row => [row.runKey, row.digest]))
}

export const OWNERS = ['otter', 'heron'] as const

/** Accounts for a researcher with credit and for two volunteers. */
export async function enter(grid: Grid): Promise<void> {
  await grid.addUser('ada', 'researcher', 1_000_000)
  for (const owner of OWNERS) await grid.addUser(owner, 'volunteer')
}

/** The researcher asks; the campaign's id. */
export async function submit(grid: Grid, file: string): Promise<string> {
  const args = ['campaign', 'submit', file, '--server', grid.url]
  const Submitted = z.looseObject({ id: z.string() })
  const tokenFile = await grid.tokenFile('ada', 'campaign')
  return (await xeenet([...args, '--token-file', tokenFile], Submitted)).id
}

export async function killed(program: Program | undefined): Promise<void> {
  program?.child.kill('SIGKILL')
  await program?.exited
}

/** Kills the server's own process and the one that looks after it, and starts them again at the same address. */
export async function killServer(grid: Grid): Promise<Grid> {
  const { pid } = await serverFile(grid)
  process.kill(pid, 'SIGKILL')
  await killed(grid.server)
  return grid.restartServer()
}

const ServerFile = z.looseObject({ pid: z.int(), connectionString: z.string() })
export const serverFile = async (grid: Grid): Promise<z.infer<typeof ServerFile>> =>
  ServerFile.parse(JSON.parse(await readFile(join(grid.dataDir, 'server.json'), 'utf8')))

// One that dies again and again is started later each time: patience for the longest pause.
const RESTART_MS_MAX = 60_000

/** Kills the postmaster; one that is just being started again first has to live. */
async function killPostgres(grid: Grid): Promise<void> {
  const file = join(grid.dataDir, 'postgres', 'cluster', 'postmaster.pid')
  const giveUpAt = performance.now() + RESTART_MS_MAX
  while (performance.now() < giveUpAt) {
    const pid = Number((await readFile(file, 'utf8').catch(() => '')).split('\n')[0])
    if (pid > 0 && tryKill(pid)) return
    await sleep(50)
  }
  throw new Error('PostgreSQL was not started again within a minute')
}

/** Kills a process; false when there is none: whoever named it is late. */
export function tryKill(pid: number): boolean {
  try {
    return process.kill(pid, 'SIGKILL')
  } catch (error) {
    if (error instanceof Error && 'code' in error && error.code === 'ESRCH') return false
    throw error
  }
}

export async function ended(grid: Grid, campaign: string): Promise<void> {
  const giveUpAt = performance.now() + PATIENCE_MS
  for (;;) {
    const view = await grid.get(`/api/v1/campaigns/${campaign}`, CampaignView).catch(() => undefined)
    if (view !== undefined && view.state !== 'running') return
    if (performance.now() > giveUpAt) throw new Error(`the campaign is stuck: ${JSON.stringify(view)}`)
    await sleep(250)
  }
}

const Accepted = z.looseObject({ ev: z.literal('result.accepted'), result: z.string() })

/** The results whose reports a client was told are accepted. */
export const acceptedIn = (events: readonly Event[]): string[] => [
  ...new Set(
    events.flatMap(event => {
      const accepted = Accepted.safeParse(event)
      return accepted.success ? [accepted.data.result] : []
    }),
  ),
]

/** A small seeded generator: the moments of a kill test can be drawn again. */
export function mulberry32(seed: number): () => number {
  let a = seed >>> 0
  return () => {
    a = (a + 0x6d2b79f5) >>> 0
    let t = Math.imul(a ^ (a >>> 15), a | 1)
    t ^= t + Math.imul(t ^ (t >>> 7), t | 61)
    return ((t ^ (t >>> 14)) >>> 0) / 4_294_967_296
  }
}
