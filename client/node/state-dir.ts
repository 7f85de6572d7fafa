import { mkdir, readdir, stat } from 'node:fs/promises'
import { join } from 'node:path'
import { z } from 'zod'
import { KeptReport, Lease } from '#protocol/scheduler.ts'
import { EXIT } from '#runtime/exit-codes.ts'
import type { HostStore } from '#runtime/host-store.ts'
import { Failure } from './failure.ts'
import { parseJson, readIfThere, removeFile, writeDurably } from './files.ts'

// Below the host's directory:
//   call                    the last call number given out
//   serials.json            the highest accepted serial of each kernel
//   leases/RESULT.json      leases held
//   checkpoints/RESULT      where their runs were
//   outbox/RESULT.json      finished, not yet answered
//   artifacts/RESULT        trained weights, until the verdict
//   prefixes/RUNKEY         runs to an earlier rung, of which a longer one goes on
const FOLDERS = ['leases', 'checkpoints', 'outbox', 'artifacts', 'prefixes'] as const

/** An artifact whose verdict never came (a campaign that was forgotten, say) is not kept for ever. */
const ARTIFACTS_MAX = 64

// A gibibyte at most (PREFIX_BYTES_MAX); who is let go on usually is so within minutes.
const PREFIXES_MAX = 16

/** The host's memory as files, each written by writeDurably. */
export async function openHostStore(directory: string): Promise<HostStore> {
  for (const folder of FOLDERS) await mkdir(join(directory, folder), { recursive: true, mode: 0o700 })
  const at = (folder: (typeof FOLDERS)[number], name: string): string => join(directory, folder, name)
  let lastCall = Number((await readIfThere(join(directory, 'call')))?.toString() ?? 0) || 0
  const serialsFile = join(directory, 'serials.json')
  await readSerials(serialsFile) // before any lease: found later, it would fail every task this host is given

  async function load() {
    const reports = await loadAll(join(directory, 'outbox'), KeptReport)
    const leases = await loadAll(join(directory, 'leases'), Lease)
    const alive = new Set(leases.map(lease => String(lease.resultId)))
    for (const name of await readdir(join(directory, 'checkpoints')))
      if (!alive.has(name)) await removeFile(join(directory, 'checkpoints'), name)
    return { leases, reports }
  }

  return {
    load,
    nextCall: async now => {
      lastCall = Math.max(lastCall + 1, now)
      const number = lastCall
      await writeDurably(join(directory, 'call'), String(number))
      return number
    },
    saveLease: lease => writeDurably(at('leases', `${lease.resultId}.json`), JSON.stringify(lease)),
    saveReport: async (report, artifact) => {
      if (artifact !== null) {
        await bound(join(directory, 'artifacts'), ARTIFACTS_MAX - 1)
        await writeDurably(at('artifacts', report.resultId), artifact)
      }
      await writeDurably(at('outbox', `${report.resultId}.json`), JSON.stringify(report))
    },
    saveCheckpoint: (resultId, bytes) => writeDurably(at('checkpoints', resultId), bytes),
    checkpoint: resultId => readIfThere(at('checkpoints', resultId)),
    savePrefix: async (runKey, bytes) => {
      await boundByAge(join(directory, 'prefixes'), PREFIXES_MAX - 1)
      await writeDurably(at('prefixes', runKey), bytes)
    },
    prefix: runKey => readIfThere(at('prefixes', runKey)),
    artifact: resultId => readIfThere(at('artifacts', resultId)),
    forget: async resultId => {
      // The lease first: a report without a lease is sent once more and answered the same; the reverse would run again.
      await removeFile(join(directory, 'leases'), `${resultId}.json`)
      await removeFile(join(directory, 'checkpoints'), resultId)
      await removeFile(join(directory, 'outbox'), `${resultId}.json`)
    },
    forgetArtifact: resultId => removeFile(join(directory, 'artifacts'), resultId),
    serials: () => readSerials(serialsFile),
    saveSerials: async serials => {
      const text = JSON.stringify(serials)
      if ((await readIfThere(serialsFile))?.toString() !== text) await writeDurably(serialsFile, text)
    },
  }
}

const Serials = z.record(z.string(), z.int())

// What keeps a server from going back to an older kernel: only a person should throw it away.
async function readSerials(file: string): Promise<Record<string, number>> {
  const stored = (await readIfThere(file))?.toString() ?? '{}'
  const parsed = Serials.safeParse(parseJson(stored))
  if (parsed.success) return parsed.data
  const what = `${file}: the serials of accepted kernels cannot be read`
  throw new Failure(EXIT.failure, 'state_damaged', {
    what,
    hint: 'Remove that file to accept what the server offers.',
  })
}

/** The entries that parse. Others are of another version or of a damaged disk, and the server knows them anyway. */
async function loadAll<T>(directory: string, schema: z.ZodType<T>): Promise<T[]> {
  const entries: T[] = []
  for (const name of (await readdir(directory)).sort()) {
    if (!name.endsWith('.json')) continue // a temporary file of a killed process
    const parsed = schema.safeParse(parseJson((await readIfThere(join(directory, name)))?.toString()))
    if (parsed.success) entries.push(parsed.data)
    else await removeFile(directory, name)
  }
  return entries
}

/** Ids sort by age: the oldest files go. */
async function bound(directory: string, filesMax: number): Promise<void> {
  const names = (await readdir(directory)).sort()
  for (const name of names.slice(0, Math.max(0, names.length - filesMax))) await removeFile(directory, name)
}

/** The files that were written first go. */
async function boundByAge(directory: string, filesMax: number): Promise<void> {
  const names = await readdir(directory)
  const aged = await Promise.all(
    names.map(async name => ({ name, atMs: (await stat(join(directory, name))).mtimeMs })),
  )
  aged.sort((a, b) => b.atMs - a.atMs)
  for (const { name } of aged.slice(filesMax)) await removeFile(directory, name)
}
