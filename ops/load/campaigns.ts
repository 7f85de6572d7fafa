import { writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import type { Knex } from 'knex'
import { z } from 'zod'
import { correctCredit } from '#server/admin-users.ts'
import { systemClock } from '#server/clock.ts'
import type { Grid } from '../grid.ts'
import { xeenet } from '../process.ts'
import { NOOP_FUEL } from './noop.ts'

const OWNERS = 5
const CAMPAIGNS_PER_OWNER = 2
const CREDITS_MILLI = 1_000_000_000

interface Question {
  readonly title: string
  readonly runs: number
  readonly seed: number
  readonly replicate: string
}

// So large a space that no two campaigns ask for the same run: the corpus would answer it, and nobody compute it.
const campaignFile = ({ title, runs, seed, replicate }: Question): string => `
title: ${title}
kernel: noop@1
data: none@0
metric: { name: noise, goal: minimize }
budget: { fuel_per_run: ${NOOP_FUEL}, runs: ${runs}, credits: 100000 }
baseline: false
space:
  x: { int: [0, 999999] }
  y: { int: [0, 999] }
sampler: { name: random, seed: ${seed} }
replicate: ${replicate}
`

/** Of every ten campaigns one has each run computed twice, the others once where a host has proven itself. */
const fileOf = (n: number): string =>
  campaignFile({
    ...{ title: `Load ${n}`, runs: 100_000, seed: n },
    replicate: n === 0 ? '{ quorum: 2, seeds: 1, policy: fixed }' : '{ quorum: 1, seeds: 1 }',
  })

/** Has researchers submit ten campaigns of 100,000 runs each, by the ordinary command. */
export async function askQuestions(knex: Knex, grid: Grid, dir: string): Promise<void> {
  for (let owner = 0; owner < OWNERS; owner++) {
    const submit = await researcher(knex, grid, dir, `researcher-${owner}`)
    for (let i = 0; i < CAMPAIGNS_PER_OWNER; i++) {
      const n = owner * CAMPAIGNS_PER_OWNER + i
      await submit(`load-${n}.yaml`, fileOf(n))
    }
  }
}

/** Has a researcher submit one campaign of so many runs at quorum 1. */
export async function askQuestion(knex: Knex, grid: Grid, dir: string, runs: number): Promise<void> {
  const submit = await researcher(knex, grid, dir, 'researcher')
  await submit(
    'tail.yaml',
    campaignFile({ title: 'Tail', runs, seed: 1, replicate: '{ quorum: 1, seeds: 1 }' }),
  )
}

/** A user with more credit than anything here costs; gives how it submits a file. */
async function researcher(knex: Knex, grid: Grid, dir: string, name: string) {
  await grid.addUser(name, 'researcher', 0)
  const correction = { name, amountMilli: CREDITS_MILLI, reason: 'to be spent on load' }
  await correctCredit(knex, { ...correction, now: systemClock() })
  const to = ['--server', grid.url, '--token-file', await grid.tokenFile(name, 'campaign')]
  return async (fileName: string, text: string): Promise<void> => {
    const file = join(dir, fileName)
    await writeFile(file, text)
    await xeenet(['campaign', 'submit', file, ...to], z.looseObject({ id: z.string() }))
  }
}
