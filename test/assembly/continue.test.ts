// A host that computed a run to one rung goes on to the next: the same report as straight through, in fewer steps.

import { readFileSync } from 'node:fs'
import { beforeAll, describe, expect, test } from 'vitest'
import { type Job, jobText, type Rung, rungsUntil } from '#protocol/job.ts'
import { KernelSource, selfTestBytes } from '#protocol/kernel.ts'
import { Sha256 } from '#protocol/units.ts'
import { longestPrefix, type Prefix } from '#runtime/prefix.ts'
import { type RunOutcome, runJob } from '#runtime/run.ts'
import { kernelOf, manifestOf, meteredOf, recipeOf } from './any-kernel.ts'

const NAMES = ['charlm', 'vision', 'cartpole']
const moduleSha256 = Sha256.parse('a'.repeat(64))

const sourceOf = (name: string) =>
  KernelSource.parse(
    JSON.parse(readFileSync(new URL(`../../assembly/${name}/manifest.json`, import.meta.url), 'utf8')),
  )

const modules = new Map<string, WebAssembly.Module>()
beforeAll(async () => {
  for (const name of NAMES)
    modules.set(name, await WebAssembly.compile(new Uint8Array(meteredOf(await kernelOf(name)))))
})

const keyOf = (until: Rung): Sha256 => Sha256.parse(String(until).repeat(64))

interface Asked {
  readonly name: string
  readonly limit: Job['limit']
  readonly until: Rung
  readonly seed?: number
}

/** With a clock that makes every tenth step one whose state is kept. */
async function run({ name, limit, until, seed = 7 }: Asked, prefix?: Prefix) {
  const { selfTest } = sourceOf(name)
  const job: Job = {
    ...{ kernel: `${name}@1`, task: 'train', recipe: recipeOf(manifestOf(name), selfTest.runs[0]!.recipe) },
    ...{ seed, limit, marks: 8, rungs: rungsUntil(until) },
  }
  let [clock, steps] = [0, 0]
  const outcome = await runJob(
    {
      ...{ runKey: keyOf(until), job: jobText(job), fuelMax: 1e12, module: modules.get(name)!, prefix },
      data: manifestOf(name).slots.map((_, slot) => selfTestBytes(selfTest.data, slot)),
    },
    {
      gate: async () => {
        steps++
        return 'go'
      },
      save: async () => undefined,
      nowMs: () => {
        clock += 100
        return clock
      },
    },
  )
  if (outcome.type !== 'report') throw new Error(JSON.stringify(outcome))
  return { ...outcome, job: jobText(job), steps }
}

const prefixOf = (until: Rung, { prefix, job }: RunOutcome & { type: 'report'; job: string }): Prefix => ({
  ...{ runKey: keyOf(until), job, checkpoint: prefix! },
})

const asked = NAMES.flatMap(name => {
  const { limit } = sourceOf(name).selfTest.runs[0]!
  const fuel = 'fuel' in limit ? 8 * limit.fuel : 4e8
  return [{ fuel }, { updates: 244 }].map(given => ({ name, limit: given }))
})

describe.each(asked)('$name within $limit', one => {
  test('goes on from rung to rung, and ends as if it had run straight through', async () => {
    let before: Prefix | undefined
    for (const until of [0, 1, 2, 3] as const) {
      const straight = await run({ ...one, until })
      const resumed = await run({ ...one, until }, before)
      expect(resumed.digest).toBe(straight.digest)
      expect(straight.prefix === undefined).toBe(until === 3)
      if (before !== undefined) expect(resumed.steps).toBeLessThan(straight.steps)
      if (until < 3) before = prefixOf(until, resumed)
    }
  })

  test('what does not fit is left aside', async () => {
    const straight = await run({ ...one, until: 1 })
    const other = await run({ ...one, until: 0, seed: 8 })
    const damaged = prefixOf(0, await run({ ...one, until: 0 }))
    damaged.checkpoint[damaged.checkpoint.length >> 1]! ^= 1
    for (const prefix of [prefixOf(0, other), damaged]) {
      const anew = await run({ ...one, until: 1 }, prefix)
      expect(anew).toMatchObject({ digest: straight.digest, steps: straight.steps })
    }
  })
})

test('the longest prefix that is known is taken, and none where the job knows no rungs', async () => {
  const whole = {
    ...{ kernel: 'charlm@1', task: 'train', recipe: {} },
    seed: 1,
    limit: { fuel: 1e9 },
    marks: 8,
  }
  const named = (job: object) => ({ job: JSON.stringify(job), moduleSha256, data: [] })
  const known = new Set<Sha256>()
  const asKnown = async (key: Sha256) => (known.has(key) ? new Uint8Array() : undefined)
  const keys: Sha256[] = []
  await longestPrefix(named({ ...whole, rungs: rungsUntil(3) }), async key => {
    keys.push(key)
    return undefined
  })
  expect(new Set(keys).size).toBe(3)
  known.add(keys[1]!).add(keys[2]!)
  const found = await longestPrefix(named({ ...whole, rungs: rungsUntil(3) }), asKnown)
  expect(found?.runKey).toBe(keys[1])
  expect(found?.job).toContain('"until":1')
  expect(await longestPrefix(named(whole), asKnown)).toBeUndefined()
  expect(await longestPrefix(named({ ...whole, rungs: rungsUntil(0) }), asKnown)).toBeUndefined()
})
