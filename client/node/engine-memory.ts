import { cpus } from 'node:os'
import { join } from 'node:path'
import { z } from 'zod'
import { Sha256 } from '#protocol/units.ts'
import { parseJson, readIfThere, writeDurably } from './files.ts'

const Memory = z.strictObject({
  /** Node, V8 and processor: another one has to show again what it can. */
  machine: z.string(),
  /** Modules that passed under the fast engine, newest first. */
  passed: z.array(Sha256).max(64),
  /** Why the fast engine is not used here. */
  failure: z.string().nullable(),
  /** The release that was tested last: it is tested first at the next start. */
  lastRelease: Sha256.nullable(),
})
type Memory = z.infer<typeof Memory>

/** What a machine knows of its engines, in a file of its state directory. Losing it costs a second. */
export interface EngineMemory {
  read(): Memory
  change(changes: Partial<Memory>): Promise<void>
}

const PASSED_MAX = 64

/** Opens `engine.json`; one that is damaged, or of another machine or Node, counts as none. */
export async function openEngineMemory(directory: string, machine = thisEngine()): Promise<EngineMemory> {
  const file = join(directory, 'engine.json')
  const stored = Memory.safeParse(parseJson((await readIfThere(file))?.toString()))
  const known = stored.success && stored.data.machine === machine
  let memory: Memory = known
    ? stored.data
    : { machine, passed: [], failure: null, lastRelease: stored.data?.lastRelease ?? null }
  return {
    read: () => memory,
    change: async changes => {
      const next = { ...memory, ...changes }
      memory = { ...next, passed: next.passed.slice(0, PASSED_MAX) }
      await writeDurably(file, JSON.stringify(memory))
    },
  }
}

/** Node, V8 and processor of this process. */
export const thisEngine = (): string =>
  `node ${process.versions.node}, v8 ${process.versions.v8}, ${process.arch}, ${cpus()[0]?.model ?? 'unknown'}`
