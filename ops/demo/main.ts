/**
 * `npm run demo`: the real system end to end, about a minute. A server on an embedded PostgreSQL, four volunteers as
 * processes of their own, real training in the sandbox, a liar, a crash, credits, a leaderboard. Exit status 0 only if
 * everything it checks holds. `--json FILE` writes the figures for programs, `--data-dir DIR` keeps the data.
 */
import { spawnSync } from 'node:child_process'
import { mkdir, mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { parseArgs } from 'node:util'
import { block, writeFigures } from '../figures.ts'
import { type Grid, hostIdOf, startGrid } from '../grid.ts'
import { follow } from './follow.ts'
import { leaderboardText, say, sayOfLiar } from './narrate.ts'
import { crash, replay, submit } from './story.ts'
import { summarise, unmet } from './summary.ts'

const ROOT = join(import.meta.dirname, '../..')
/** A campaign of 24 runs at quorum 2 costs about 13 credits. */
const STARTER_MILLI = 100_000

async function main(): Promise<number> {
  const { values } = parseArgs({ options: { json: { type: 'string' }, 'data-dir': { type: 'string' } } })
  const started = performance.now()
  const build = spawnSync(process.execPath, ['ops/build-kernels.ts'], { cwd: ROOT, stdio: 'inherit' })
  if (build.status !== 0) return 1
  const kept = values['data-dir']
  if (kept !== undefined) await mkdir(kept, { recursive: true })
  const dir = await mkdtemp(join(kept ?? tmpdir(), 'xeenet-demo-'))
  const stopOnSignal = (): void => process.exit(130) // children end when their parent's channel closes
  process.once('SIGINT', stopOnSignal)
  try {
    const figures = await tell(dir, started)
    console.log(`\n${block(figures)}`)
    await writeFigures(values.json, figures)
    const missing = unmet(figures)
    for (const what of missing) console.error(`demo: NOT AS PROMISED: ${what}`)
    return missing.length === 0 ? 0 : 1
  } finally {
    if (kept === undefined) await rm(dir, { recursive: true, force: true })
    else console.log(`\nThe data is kept in ${dir}`)
  }
}

/** The story, start to end; the grid is stopped whatever happens. */
async function tell(dir: string, started: number): ReturnType<typeof summarise> {
  say('Starting a server with an embedded PostgreSQL …')
  const grid = await startGrid({
    dir,
    // Lively for a demo: hosts ask again after a quarter of a second when there is work about to come.
    env: { XEENET_RETRY_MIN_MS: '250', XEENET_DATASETS: 'sotu-small@1', XEENET_LOG_LEVEL: 'warn' },
  })
  try {
    return await play(grid, dir, started)
  } catch (error) {
    console.error(grid.server.lastWords())
    throw error
  } finally {
    await grid.stop()
  }
}

async function play(grid: Grid, dir: string, started: number): ReturnType<typeof summarise> {
  say(`The server listens on ${grid.url}. A researcher, ada, has ${STARTER_MILLI / 1000} starter credits.`)
  await grid.addUser('ada', 'researcher', STARTER_MILLI)
  for (const name of ['otter', 'heron', 'lynx']) await grid.addUser(name, 'volunteer')
  const liarUserId = await grid.addUser('magpie', 'volunteer')
  const [otter, heron, magpie, lynx] = await Promise.all([
    grid.volunteer('otter'),
    grid.volunteer('heron'),
    grid.volunteer('magpie', { program: [join(import.meta.dirname, 'liar.ts')] }),
    grid.volunteer('lynx'),
  ])
  say('Four volunteers attach: otter and heron are honest, magpie will lie, lynx will crash.')
  const campaign = await submit(grid, join(import.meta.dirname, 'campaign.yaml'))
  say(
    `ada submits campaign ${campaign.id}: 24 experiments over learning rate, width and depth, quorum 2 among newcomers.`,
  )
  crash(lynx)
  const view = await follow(grid, campaign.id, [otter, heron, magpie, lynx])
  await sayOfLiar(grid, hostIdOf(magpie))
  const { board, text } = await leaderboardText(grid, campaign.id)
  say(`The campaign is ${view.state}. Leaderboard:\n\n${text}\n`)
  const best = board.rows[0]?.resultId
  const identical = best !== undefined && best !== null && (await replay(grid, best, dir))
  const liar = { hostId: hostIdOf(magpie), userId: liarUserId }
  return summarise(grid, { view, board, identical, liar, wallMs: performance.now() - started })
}

process.exitCode = await main()
