import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { runJob } from '#runtime/run.ts'
import { endlessLoop } from '#support/hostile.ts'
import { admitted } from '#support/kernel-modules.ts'
import { openPool, type Pool } from '../../client/node/pool.ts'
import { reported, scripted, toyModule, toyTask } from './toy.ts'

const STALL_MS = 300
let pool: Pool
beforeAll(async () => {
  await toyModule() // the compiler is itself a large module: before the pool turns V8's fast compiler off
  pool = openPool(2, STALL_MS)
})
afterAll(() => pool.close())

// A budget of a core month: only the kill switch ends it.
const endless = async () =>
  toyTask({ module: new Uint8Array(admitted(endlessLoop())), limit: { fuel: 9e15 } })

describe('runs in threads', () => {
  test('give the digest that they give here', async () => {
    const task = await toyTask()
    const outcome = reported(await pool.run(task, scripted()))
    expect(outcome.digest).toBe(reported(await runJob(task, scripted())).digest)
    expect(outcome.artifact?.length).toBe(512)
  })

  test('two at a time, each its own', async () => {
    const tasks = await Promise.all([1, 2, 3, 4].map(seed => toyTask({ seed })))
    const there = await Promise.all(
      tasks.map(async task => reported(await pool.run(task, scripted())).digest),
    )
    const here = await Promise.all(tasks.map(async task => reported(await runJob(task, scripted())).digest))
    expect(there).toEqual(here)
  })

  test('a kernel that does not come back is killed, and the pool goes on', async () => {
    const outcome = await pool.run(await endless(), scripted())
    expect(outcome).toMatchObject({ type: 'error', code: 'killed' })
    expect(reported(await pool.run(await toyTask(), scripted())).report.status).toBe('ok')
  })

  test('an abort ends it at once', async () => {
    const controller = new AbortController()
    const run = pool.run(await endless(), scripted(), controller.signal)
    controller.abort()
    await expect(run).rejects.toThrow(/abort/i)
    expect(reported(await pool.run(await toyTask(), scripted())).report.status).toBe('ok')
  })

  test('a host that does not answer pauses the run for longer than the kill switch waits', async () => {
    const task = await toyTask()
    const released = Promise.withResolvers<void>()
    let waited = 0
    const patient = {
      ...scripted(),
      gate: async () => {
        waited += 1
        if (waited === 1) await released.promise
        return 'go' as const
      },
    }
    const run = pool.run(await slow(task), patient)
    setTimeout(released.resolve, 2 * STALL_MS)
    expect(reported(await run).report.status).toBe('ok')
    expect(waited).toBeGreaterThan(0)
  })
})

/** The same run on so much data that it needs more than a slice's time. */
const slow = async (task: Awaited<ReturnType<typeof toyTask>>) => ({
  ...task,
  fuelMax: 9e12,
  job: task.job.replace(/"fuel":\d+/, '"fuel":9000000000000'),
  data: [new Uint8Array(300_000).fill(7)],
})
