// A native run in a process of its own: lost, silent, too large, stopped, aborted.

import type { ChildProcess } from 'node:child_process'
import { readFile } from 'node:fs/promises'
import { describe, expect, test } from 'vitest'
import { type ChildRules, runInChild } from '#client/node/native/run-child.ts'
import { superviseChild } from '#client/node/native/supervise.ts'
import { runNatively } from '#client/onnx/run.ts'
import type { Order, RunControl } from '#runtime/run.ts'
import { freely } from '#runtime/self-test.ts'
import { charlm, orderOf, UPDATES } from './orders.ts'
import { isMissing, nativeRuntime } from './session.ts'

/** What the same run comes to in this process, undisturbed. */
const undisturbed = (async () => {
  const order = await orderOf()
  const { module, manifest } = await charlm()
  const outcome = await runNatively(
    { ...order, module, manifest },
    nativeRuntime(),
    freely(() => performance.now()),
  )
  if (outcome.type !== 'report') throw new Error(outcome.type)
  return outcome
})()
undisturbed.catch(() => undefined) // where the package is missing nobody asks

/** A host that saves after every call, and what it saw: updates after each call, over all processes. */
function watching(then: (step: number) => Order | undefined = () => undefined) {
  const steps: number[] = []
  const saved: Uint8Array[] = []
  const control: RunControl = {
    gate: async ({ step }) => {
      steps.push(step)
      return then(step) ?? 'checkpoint'
    },
    save: async bytes => {
      saved.push(bytes)
    },
    nowMs: () => performance.now(),
  }
  return { steps, saved, control }
}

describe.skipIf(isMissing)('a native run in a process of its own', () => {
  test('gives the bytes that it gives here', async () => {
    const outcome = await runInChild(await orderOf(), watching().control)
    if (outcome.type !== 'report') throw new Error(JSON.stringify(outcome))
    expect(outcome.text).toBe((await undisturbed).text)
    expect(Buffer.from(outcome.artifact ?? [])).toEqual(Buffer.from((await undisturbed).artifact ?? []))
  })

  test.each([
    ['SIGKILL', 1],
    ['SIGABRT', 7],
    ['SIGSEGV', 40],
  ] as const)(
    'lost to %s after update %i it goes on from the last checkpoint to the same bytes',
    async (signal, at) => {
      let child: ChildProcess | undefined
      let restarts = 0
      const { steps, control } = watching(step => {
        if (step < at || restarts > 0) return undefined
        child?.kill(signal) // it waits for an answer, and this is none
        return 'go'
      })
      const rules: ChildRules = {
        onSpawn: spawned => {
          child = spawned
        },
        onRestart: () => {
          restarts += 1
        },
      }
      const outcome = await runInChild(await orderOf(), control, rules)
      if (outcome.type !== 'report') throw new Error(JSON.stringify(outcome))
      expect(restarts).toBe(1)
      expect(outcome.text).toBe((await undisturbed).text)
      // Calls before the loss were saved, but for the last: at most that one is made again.
      const lost = steps.findIndex((step, i) => i > 0 && step <= (steps[i - 1] ?? 0))
      const before = lost < 2 ? 0 : (steps[lost - 2] ?? 0)
      expect(steps[lost] ?? UPDATES).toBeGreaterThan(before)
    },
  )

  test('one that is silent is ended and gone on with', async () => {
    let child: ChildProcess | undefined
    const restarts: string[] = []
    const { control } = watching(step => {
      if (step >= 3 && restarts.length === 0) child?.kill('SIGSTOP')
      return undefined
    })
    const outcome = await runInChild(await orderOf(), control, {
      silenceMs: 4000,
      onSpawn: spawned => {
        child = spawned
      },
      onRestart: because => restarts.push(because),
    })
    expect(restarts[0]).toContain('no sign of life')
    expect(outcome).toMatchObject({ type: 'report', text: (await undisturbed).text })
  })

  test('one that never comes up is given up after four attempts', async () => {
    const restarts: string[] = []
    const outcome = await runInChild(await orderOf(), watching().control, {
      onSpawn: child => child.kill('SIGKILL'),
      onRestart: because => restarts.push(because),
    })
    expect(outcome).toMatchObject({ type: 'error', code: 'engine_failed', detail: 'it ended with SIGKILL' })
    expect(restarts).toHaveLength(3)
  })

  test('told to stop it ends between two calls, and its checkpoint leads to the same bytes', async () => {
    const outcome = await runInChild(
      await orderOf(),
      watching(step => (step >= 3 ? 'stop' : undefined)).control,
    )
    if (outcome.type !== 'stopped') throw new Error(JSON.stringify(outcome).slice(0, 200))
    const { steps, control } = watching()
    const resumed = await runInChild(await orderOf({ checkpoint: outcome.checkpoint }), control)
    expect(steps[0]).toBeGreaterThan(3)
    expect(resumed).toMatchObject({ type: 'report', text: (await undisturbed).text })
  })

  test('aborted it is gone at once, and nobody waits for its end', async () => {
    const killer = new AbortController()
    let child: ChildProcess | undefined
    const { control } = watching(() => {
      killer.abort()
      return undefined
    })
    const run = runInChild(await orderOf(), control, {
      signal: killer.signal,
      onSpawn: spawned => {
        child = spawned
      },
    })
    await expect(run).rejects.toThrow(/abort/i)
    expect(child?.signalCode).toBe('SIGKILL')
  })

  test('one that takes more memory than it may is ended', async () => {
    const end = await superviseChild(
      { type: 'run', order: await orderOf() },
      { memoryBytesMax: 20 * 1024 ** 2, hear: async () => undefined },
    )
    expect(end).toMatchObject({ type: 'out_of_memory' })
  })

  test('and is infeasible, with the estimate that missed it', async () => {
    // As if its estimate had been less: what it takes is above what it may take.
    const order = await orderOf()
    // It is never told to go on, so that it is weighed before it ends, however fast it is.
    const control: RunControl = { ...watching().control, gate: () => new Promise(() => undefined) }
    const outcome = await runInChild(order, control, { killBytes: 20 * 1024 ** 2 })
    expect(outcome).toMatchObject({ type: 'report', report: { status: 'infeasible', engine: 'onnx-cpu' } })
    if (outcome.type === 'report') expect(outcome.missed?.because).toContain('bytes of')
  })

  // Peaks are what Linux remembers of a process. The estimate holds the whole of it, and is at most half as much again.
  test.skipIf(process.platform !== 'linux')(
    'takes at its peak between two thirds and all of what was estimated before it began',
    async () => {
      const recipe = { width: 64, depth: 2, context: 64, batch: 16 }
      let [pid, estimate, peak] = [0, 0, 0]
      const end = await superviseChild(
        { type: 'run', order: await orderOf({}, { recipe, updates: 20 }) },
        {
          memoryBytesMax: Number.POSITIVE_INFINITY,
          onSpawn: child => {
            pid = child.pid ?? 0
          },
          hear: async message => {
            if (message.type === 'estimated') estimate = message.bytes
            if (message.type !== 'slice') return undefined
            const [, kib = '0'] =
              /VmHWM:\s+(\d+) kB/.exec(await readFile(`/proc/${pid}/status`, 'utf8')) ?? []
            peak = 1024 * Number(kib)
            return { type: 'order', order: 'go' }
          },
        },
      )
      expect(end).toEqual({ type: 'ended' })
      expect(peak).toBeLessThan(estimate)
      expect(peak).toBeGreaterThan((2 / 3) * estimate)
    },
  )

  test('one whose estimate is above what it may take is not begun', async () => {
    const outcome = await runInChild(await orderOf({ memoryBytesMax: 150 * 1024 ** 2 }), watching().control)
    expect(outcome).toMatchObject({ type: 'error', code: 'out_of_memory' })
  })
})
