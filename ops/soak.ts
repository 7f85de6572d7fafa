/**
 * `npm run soak`: what takes longer than a test should. Kills the server, PostgreSQL and a client, 20 times each, at
 * moments drawn from `--seed`. Prints one JSON row a story; exit status 0 only if nothing was lost.
 */
import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { parseArgs } from 'node:util'
import { type Figure, writeFigures } from './figures.ts'
import { type Aftermath, killStory, type Victim } from './kill.ts'

const VICTIMS: readonly Victim[] = ['server', 'postgres', 'client']

async function main(): Promise<number> {
  const { values } = parseArgs({
    options: {
      seed: { type: 'string', default: '1' },
      kills: { type: 'string', default: '20' },
      json: { type: 'string' },
    },
  })
  const figures: Figure[] = []
  let lost = false
  for (const victim of VICTIMS) {
    const dir = await mkdtemp(join(tmpdir(), 'xeenet-soak-'))
    try {
      const plan = { victim, kills: Number(values.kills), seed: Number(values.seed), dir }
      const after = await killStory({ ...plan, file: join(import.meta.dirname, 'kill.yaml') })
      console.log(JSON.stringify({ victim, seed: plan.seed, ...after }))
      figures.push(...figuresOf(victim, after))
      lost ||= isLost(after)
    } finally {
      await rm(dir, { recursive: true, force: true })
    }
  }
  await writeFigures(values.json, figures)
  return lost ? 1 : 0
}

const isLost = (after: Aftermath): boolean =>
  after.unsettled > 0 ||
  after.acceptedMissing.length > 0 ||
  after.ledgerSum !== 0 ||
  after.accountsWrong > 0 ||
  after.doubleGrants > 0 ||
  after.unpaidOrOverpaid > 0

const figuresOf = (victim: Victim, after: Aftermath): Figure[] => [
  { name: `soak.${victim}.kills`, value: after.kills, unit: 'kills' },
  { name: `soak.${victim}.accepted`, value: after.accepted, unit: 'reports' },
  { name: `soak.${victim}.accepted_missing`, value: after.acceptedMissing.length, unit: 'reports' },
  { name: `soak.${victim}.unsettled`, value: after.unsettled, unit: 'work units' },
  { name: `soak.${victim}.ledger_sum`, value: after.ledgerSum, unit: 'milli-credits' },
  { name: `soak.${victim}.double_grants`, value: after.doubleGrants, unit: 'grants' },
]

process.exitCode = await main()
