import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, describe, expect, test } from 'vitest'
import { killStory, type Victim } from '#ops/kill.ts'

const FILE = join(import.meta.dirname, '../ops/kill.yaml')
const KILLS = 5
const SEED = 20261122

const folders: string[] = []
afterEach(() => {
  for (const folder of folders.splice(0)) rmSync(folder, { recursive: true, force: true })
})

describe('nothing is lost when a process is killed', () => {
  test.each<Victim>(['server', 'postgres', 'client'])(
    `the %s, killed at ${KILLS} random moments`,
    async victim => {
      const dir = mkdtempSync(join(tmpdir(), 'xeenet-kill-'))
      folders.push(dir)
      const after = await killStory({ victim, kills: KILLS, seed: SEED, dir, file: FILE })
      expect(after).toMatchObject({
        kills: KILLS,
        workUnits: 24,
        unsettled: 0,
        acceptedMissing: [],
        ledgerSum: 0,
        accountsWrong: 0,
        doubleGrants: 0,
        unpaidOrOverpaid: 0,
      })
      expect(after.accepted).toBeGreaterThan(0)
    },
  )
})
