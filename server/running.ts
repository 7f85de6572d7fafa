import { chmod, readFile, rename, rm, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { z } from 'zod'
import { isAlive } from './postgres/previous.ts'

/** What a running server leaves in its data directory, so that commands on the same machine find it. */
export const RunningServer = z.object({
  pid: z.int(),
  url: z.string(),
  connectionString: z.string(),
})
export type RunningServer = z.infer<typeof RunningServer>

const pathOf = (dataDir: string): string => join(dataDir, 'server.json')

export async function announce(dataDir: string, running: RunningServer): Promise<void> {
  const temporary = `${pathOf(dataDir)}.${running.pid}`
  await writeFile(temporary, `${JSON.stringify(running)}\n`, { mode: 0o600 })
  await chmod(temporary, 0o600) // also when the file was there already
  await rename(temporary, pathOf(dataDir))
}

/** Takes the note away, unless another server has put its own there. */
export async function withdraw(dataDir: string, pid: number): Promise<void> {
  if ((await readNote(dataDir))?.pid === pid) await rm(pathOf(dataDir), { force: true })
}

/** The server that runs on this data directory; undefined when none does, also after one was killed. */
export async function findRunning(dataDir: string): Promise<RunningServer | undefined> {
  const note = await readNote(dataDir)
  return note !== undefined && isAlive(note.pid) ? note : undefined
}

/** The same where one must. Throws when none does. */
export async function theRunning(dataDir: string): Promise<RunningServer> {
  const running = await findRunning(dataDir)
  if (running === undefined) throw new Error(`no server runs on ${dataDir}`)
  return running
}

async function readNote(dataDir: string): Promise<RunningServer | undefined> {
  try {
    return RunningServer.parse(JSON.parse(await readFile(pathOf(dataDir), 'utf8')))
  } catch {
    return undefined // no note, or one that nobody can read: the same
  }
}
