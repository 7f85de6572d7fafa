/**
 * `npm run soak -- [--runs N] [--seed N]`: campaigns among faults, each drawn from a seed of its own: processes killed, connections
 * cut, clocks set wrong, disks filled, reports and jobs doubled. Prints a JSON row a run; a run that loses something prints
 * how to have it again. Then the older stories: the server, PostgreSQL and a client killed `--kills` times each under
 * real training (0: not at all). Exit status 0 only if nothing was lost.
 */
import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { parseArgs } from 'node:util'
import { type Audited, isLost } from './audit.ts'
import { soakFaults } from './faults/soak.ts'
import { type Figure, writeFigures } from './figures.ts'
import { killStory, type Victim } from './kill.ts'

const VICTIMS: readonly Victim[] = ['server', 'postgres', 'client']

async function main(): Promise<number> {
  const { values } = parseArgs({
    options: {
      runs: { type: 'string', default: '100' },
      seed: { type: 'string', default: '1' },
      kills: { type: 'string', default: '0' },
      json: { type: 'string' },
    },
  })
  const [runs, seed, kills] = [Number(values.runs), Number(values.seed), Number(values.kills)]
  const soaked = await soakFaults({ runs, seed, say: row => console.log(JSON.stringify(row)) })
  const figures: Figure[] = [
    { name: 'soak.runs', value: runs, unit: 'runs' },
    { name: 'soak.failed', value: soaked.failed.length, unit: 'runs' },
    { name: 'soak.accepted', value: soaked.accepted, unit: 'reports' },
  ]
  let lost = soaked.failed.length > 0
  for (const victim of kills > 0 ? VICTIMS : []) {
    const after = await inFolder(dir =>
      killStory({ victim, kills, seed, dir, file: join(import.meta.dirname, 'kill.yaml') }),
    )
    console.log(JSON.stringify({ victim, seed, ...after }))
    figures.push(...figuresOf(victim, after))
    lost ||= isLost(after)
  }
  await writeFigures(values.json, figures)
  return lost ? 1 : 0
}

async function inFolder<T>(work: (dir: string) => Promise<T>): Promise<T> {
  const dir = await mkdtemp(join(tmpdir(), 'xeenet-soak-'))
  try {
    return await work(dir)
  } finally {
    await rm(dir, { recursive: true, force: true })
  }
}

const figuresOf = (victim: Victim, after: Audited): Figure[] => [
  { name: `soak.${victim}.accepted`, value: after.accepted, unit: 'reports' },
  { name: `soak.${victim}.accepted_missing`, value: after.acceptedMissing.length, unit: 'reports' },
  { name: `soak.${victim}.unsettled`, value: after.unsettled, unit: 'work units' },
  { name: `soak.${victim}.ledger_sum`, value: after.ledgerSum, unit: 'milli-credits' },
  { name: `soak.${victim}.double_grants`, value: after.doubleGrants, unit: 'grants' },
]

process.exitCode = await main()
