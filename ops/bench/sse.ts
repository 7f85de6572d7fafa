// What live readers cost: hundreds of open streams on one server process, and events made through the store as its jobs make them.

import { mkdtemp, rm, writeFile } from 'node:fs/promises'
import { get } from 'node:http'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { CampaignView } from '#protocol/campaign.ts'
import { STREAMS_PER_ADDRESS_MAX } from '#protocol/limits.ts'
import { type CampaignId, instant } from '#protocol/units.ts'
import { theRunning } from '#server/running.ts'
import { inTransaction, openDatabase } from '#store/database.ts'
import { addCampaignEvents } from '#store/events.ts'
import type { Figure } from '../figures.ts'
import { startGrid } from '../grid.ts'
import { processorSeconds } from '../load/observe.ts'
import { xeenet } from '../process.ts'

const READERS = 500
const EVENTS_PER_SECOND = 20
const WARM_MS = 5_000
const WINDOW_MS = 30_000
/** Of one core. */
const SHARE_MAX = 0.25

const CAMPAIGN = `
title: Watched by many
kernel: charlm@1
data: sotu-small@1
metric: { name: val_bpb, goal: minimize }
budget: { fuel_per_run: 1e12, runs: 1, credits: 100000 }
baseline: false
recipe: { context: 64, batch: 16, heads: 2, warmup: 10, width: 64, depth: 2 }
space: { lr: { choice: [0.003] } }
sampler: { name: grid, seed: 7 }
replicate: { quorum: 2, seeds: 1, policy: fixed }
`

/** @returns the share of a core that the server takes with readers and without, at the same events */
export async function streamFigures(): Promise<readonly Figure[]> {
  const dir = await mkdtemp(join(tmpdir(), 'xeenet-bench-sse-'))
  const env = { XEENET_DATASETS: 'sotu-small@1', XEENET_LOG_LEVEL: 'warn' }
  const grid = await startGrid({ dir, env, serverArgs: ['--no-verifier'] })
  const running = await theRunning(grid.dataDir)
  const knex = openDatabase({ connectionString: running.connectionString })
  try {
    await grid.addUser('rosa', 'researcher', 1e9)
    await writeFile(join(dir, 'campaign.yaml'), CAMPAIGN)
    const mine = ['--server', grid.url, '--token-file', await grid.tokenFile('rosa', 'campaign')]
    const { id } = await xeenet(['campaign', 'submit', join(dir, 'campaign.yaml'), ...mine], CampaignView)
    const happen = (detail: string): Promise<void> =>
      inTransaction(knex, trx =>
        addCampaignEvents(trx, [{ campaignId: id, event: 'note', detail }], instant(Date.now())),
      )
    const alone = await measured(running.pid, happen)
    const readers = await Promise.all(Array.from({ length: READERS }, (_, i) => openReader(grid.url, id, i)))
    const watched = await measured(running.pid, happen)
    await sleep(1_000) // a batch is on its way for at most so long
    const heard = Math.min(...readers.map(reader => reader.heard()))
    if (heard < watched.events) throw new Error(`a reader heard ${heard} of ${watched.events} events`)
    for (const reader of readers) reader.close()
    return [
      { name: 'sse.readers', value: READERS, unit: 'streams of one campaign and of the first page' },
      { name: 'sse.events', value: watched.events / (WINDOW_MS / 1000), unit: 'a second' },
      { name: 'sse.server-alone', value: alone.share, unit: 'of a core' },
      { name: 'sse.server', value: watched.share, unit: 'of a core', reference: SHARE_MAX },
      {
        name: 'sse.readers-cost',
        value: watched.share - alone.share,
        unit: 'of a core',
        reference: SHARE_MAX,
      },
    ]
  } finally {
    await knex.destroy()
    await grid.stop()
    await rm(dir, { recursive: true, force: true })
  }
}

/** Processor time of the server per second while events happen at their pace. */
async function measured(
  pid: number,
  happen: (detail: string) => Promise<void>,
): Promise<{ share: number; events: number }> {
  const until = async (end: number): Promise<number> => {
    let made = 0
    for (let next = performance.now(); next < end; next += 1000 / EVENTS_PER_SECOND) {
      await sleep(Math.max(0, next - performance.now()))
      await happen(`event ${made++} of a bench, as long as what a campaign usually tells of itself`)
    }
    return made
  }
  await until(performance.now() + WARM_MS)
  const [began, before] = [performance.now(), processorSeconds(pid)]
  const events = await until(began + WINDOW_MS)
  const share = (processorSeconds(pid) - before) / ((performance.now() - began) / 1000)
  return { share, events }
}

/** A reader from an address of its own group: the loopback network has many. */
function openReader(
  url: string,
  campaign: CampaignId,
  number: number,
): Promise<{ heard(): number; close(): void }> {
  const host = Math.floor(number / STREAMS_PER_ADDRESS_MAX)
  const localAddress = `127.0.${1 + Math.floor(host / 250)}.${1 + (host % 250)}`
  const { promise, resolve, reject } = Promise.withResolvers<{ heard(): number; close(): void }>()
  let heard = 0
  const request = get(
    `${url}/api/v1/stream?topics=campaign:${campaign},home`, // as the page of a campaign asks
    { localAddress, agent: false },
    response => {
      response.setEncoding('utf8')
      response.on('data', (text: string) => {
        heard += text.split('of a bench').length - 1
      })
      response.on('error', () => undefined) // closed by us
      if (response.statusCode === 200) resolve({ heard: () => heard, close: () => request.destroy() })
      else reject(new Error(`a reader was refused with ${response.statusCode}`))
    },
  )
  request.on('error', reject)
  return promise
}
