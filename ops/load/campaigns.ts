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

/** Of every ten campaigns one has each run computed twice, the others once where a host has proven itself. */
const fileOf = (n: number): string => `
title: Load ${n}
kernel: noop@1
data: none@0
metric: { name: noise, goal: minimize }
budget: { fuel_per_run: ${NOOP_FUEL}, runs: 100000, credits: 100000 }
baseline: false
space:
  x: { int: [0, 999999] }
  y: { int: [0, 999999] }
sampler: { name: random, seed: ${n} }
replicate: ${n === 0 ? '{ quorum: 2, seeds: 1, policy: fixed }' : '{ quorum: 1, seeds: 1 }'}
`

/** Has researchers submit ten campaigns of 100,000 runs each, by the ordinary command. */
export async function askQuestions(knex: Knex, grid: Grid, dir: string): Promise<void> {
  for (let owner = 0; owner < OWNERS; owner++) {
    const name = `researcher-${owner}`
    await grid.addUser(name, 'researcher', 0)
    const correction = { name, amountMilli: CREDITS_MILLI, reason: 'to be spent on load' }
    await correctCredit(knex, { ...correction, now: systemClock() })
    const tokenFile = await grid.tokenFile(name, 'campaign')
    for (let i = 0; i < CAMPAIGNS_PER_OWNER; i++) {
      const n = owner * CAMPAIGNS_PER_OWNER + i
      const file = join(dir, `load-${n}.yaml`)
      await writeFile(file, fileOf(n))
      const to = ['--server', grid.url, '--token-file', tokenFile]
      await xeenet(['campaign', 'submit', file, ...to], z.looseObject({ id: z.string() }))
    }
  }
}
