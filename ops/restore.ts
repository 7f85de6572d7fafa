import { readFile, rm, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { z } from 'zod'
import { auditDatabase } from './audit.ts'
import { startGrid } from './grid.ts'
import { type Aftermath, acceptedIn, ended, enter, killed, OWNERS, serverFile, submit } from './kill.ts'
import { type Event, type Program, stop, xeenet } from './process.ts'

/** What stands after a server was destroyed and made again from its backup. */
export interface Restored extends Omit<Aftermath, 'kills' | 'campaign'> {
  /** Reports that were accepted before the backup began, and are not there afterwards. */
  readonly lost: readonly string[]
  readonly before: number // accepted before the backup began
  readonly after: number // and between its beginning and the destruction
  readonly sameServer: boolean
  readonly sound: boolean // by the command that restored
}

const Backup = z.looseObject({ serverId: z.string(), rows: z.int(), files: z.int() })
const Restore = z.looseObject({ serverId: z.string(), rows: z.int(), sound: z.boolean() })

/**
 * Two volunteers compute a campaign. After `accepted` reports the server is backed up while it runs; after as many again it is killed
 * and its directory removed; a server made of the backup takes its place, and the volunteers, who know of nothing, go on to the end.
 */
export async function restoreStory({
  dir,
  file,
  accepted,
  runs,
}: {
  readonly dir: string
  readonly file: string
  readonly accepted: number
  readonly runs: number // of the campaign, instead of those in its file
}): Promise<Restored> {
  // The server that comes back has a new verifier, and owners enough that it would wait for minutes before it helps out.
  const lanes = { XEENET_PAIR_MS: '200', XEENET_STARVE_MS: '500', XEENET_RETRY_MIN_MS: '100' }
  const env = { ...lanes, XEENET_DATASETS: 'sotu-small@1', XEENET_LOG_LEVEL: 'warn' }
  // Before the destruction volunteers alone compute: a verifier, who is faster, could leave them none of the reports that are counted.
  let grid = await startGrid({ dir, env, serverArgs: ['--no-verifier'] })
  const events: Event[] = []
  const volunteers: Program[] = []
  const admin = <Reply>(args: readonly string[], schema: z.ZodType<Reply>): Promise<Reply> =>
    xeenet(['admin', ...args, '--data-dir', grid.dataDir], schema, env)
  try {
    const longer = join(dir, 'campaign.yaml')
    await writeFile(longer, (await readFile(file, 'utf8')).replace(/runs: \d+/, `runs: ${runs}`))
    await enter(grid)
    volunteers.push(...(await Promise.all(OWNERS.map(owner => grid.volunteer(owner)))))
    for (const program of volunteers) program.onEvent(event => events.push(event))
    const campaign = await submit(grid, longer)
    const reports = (n: number): Promise<unknown> =>
      Promise.race(volunteers.map(program => program.until(() => acceptedIn(events).length >= n)))
    await reports(accepted)
    const before = acceptedIn(events)
    const tar = join(dir, 'backup.tar')
    const made = await admin(['backup', tar], Backup)
    await reports(before.length + accepted)
    const { pid } = await serverFile(grid)
    process.kill(pid, 'SIGKILL')
    await stop(grid.server) // and with it PostgreSQL and the verifier, which would write on into what is removed
    const after = acceptedIn(events).length - before.length
    await rm(grid.dataDir, { recursive: true })
    const restored = await admin(['restore', tar, '--verify'], Restore)
    grid = await grid.restartServer([]) // with a verifier, without whom no record is believed
    await ended(grid, campaign)
    const stands = await auditDatabase((await serverFile(grid)).connectionString, acceptedIn(events))
    return {
      ...{ ...stands, before: before.length, after, sound: restored.sound },
      lost: stands.acceptedMissing.filter(id => before.includes(id)),
      sameServer: restored.serverId === made.serverId && restored.rows === made.rows,
    }
  } catch (error) {
    console.error(grid.server.lastWords())
    throw error
  } finally {
    await Promise.all(volunteers.map(killed))
    await grid.stop()
  }
}
