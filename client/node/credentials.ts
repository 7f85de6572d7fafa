import { mkdir } from 'node:fs/promises'
import { dirname, join } from 'node:path'
import envPaths from 'env-paths'
import { z } from 'zod'
import { parseJson, readIfThere, writeDurably } from './files.ts'

const FILE = join(envPaths('xeenet', { suffix: '' }).config, 'credentials.json')

const Credential = z.object({ token: z.string(), name: z.string() })
type Credential = z.infer<typeof Credential>
const Credentials = z.record(z.string(), Credential)

/** What `xeenet login` got of a server; undefined when nobody logged in there. */
export const credentialOf = async (server: string): Promise<Credential | undefined> =>
  (await readAll())[new URL(server).origin]

/** Keeps a login (mode 0600), or forgets it. */
export async function keepCredential(server: string, credential: Credential | undefined): Promise<void> {
  const { [new URL(server).origin]: _, ...others } = await readAll()
  const all = credential === undefined ? others : { ...others, [new URL(server).origin]: credential }
  await mkdir(dirname(FILE), { recursive: true, mode: 0o700 })
  await writeDurably(FILE, JSON.stringify(all, null, 2))
}

// A damaged file is no login: the next one replaces it.
async function readAll(): Promise<Record<string, Credential>> {
  const parsed = Credentials.safeParse(parseJson((await readIfThere(FILE))?.toString()))
  return parsed.success ? parsed.data : {}
}
