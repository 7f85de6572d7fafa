// The self-test of a release, run in whatever engine loads this: without an environment, so that a browser can.

import { sha256 } from '#protocol/canonical.ts'
import { readRelease } from '#runtime/release.ts'
import { type Order, type RunControl, type RunOutcome, type RunTask, runJob } from '#runtime/run.ts'
import { runSelfTest } from '#runtime/self-test.ts'
import { tarFile } from '#runtime/tar.ts'

/** `interrupted`: stopped again and again, each time resumed from its checkpoint in a fresh instance. */
export const HOWS = ['straight', 'interrupted'] as const
export type How = (typeof HOWS)[number]

export interface Ended {
  readonly digest: string
  /** The digest that was published with the kernel. */
  readonly published: string
  readonly stops: number
}

/** Runs a release's self-test to its end. @throws Error when it does not end */
export async function digestOf(tar: Uint8Array, how: How): Promise<Ended> {
  const moduleSha256 = await sha256(tarFile(tar, 'module.wasm') ?? new Uint8Array())
  const content = await readRelease(tar, moduleSha256)
  if (!content.ok) throw new Error(content.reason)
  const { manifest } = content
  if (manifest.selfTest === undefined) throw new Error(`${manifest.name} has no self-test`)
  const module = await WebAssembly.compile(new Uint8Array(content.module))
  let stops = 0
  const ended = await runSelfTest({ manifest, moduleSha256, module }, manifest.selfTest, async task => {
    const { outcome, stops: more } = await run(task, how)
    stops += more
    return outcome
  })
  if (!ended.ok) throw new Error(ended.reason)
  return { digest: ended.digest, published: manifest.selfTest.digest, stops }
}

// Stops at the second, sixth, … slice: often enough to pass all kinds of steps, few enough to stay quick.
const SLICES_BETWEEN_STOPS = [1, 5, 3, 8]

async function run(task: RunTask, how: How): Promise<{ outcome: RunOutcome; stops: number }> {
  let stops = 0
  for (let checkpoint: Uint8Array | undefined; ; stops++) {
    const patience = how === 'straight' ? Infinity : (SLICES_BETWEEN_STOPS[stops % 4] ?? 1)
    const outcome = await runJob({ ...task, checkpoint }, stoppingAfter(patience))
    if (outcome.type !== 'stopped') return { outcome, stops }
    checkpoint = outcome.checkpoint
  }
}

/** A clock by which every step is a slice, and an order to stop after some of them. */
function stoppingAfter(slices: number): RunControl {
  let [now, seen] = [0, 0]
  return {
    gate: async (): Promise<Order> => {
      seen += 1
      return seen >= slices ? 'stop' : 'go'
    },
    save: async () => undefined,
    nowMs: () => {
      now += 100
      return now
    },
  }
}
