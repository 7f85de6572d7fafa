import { createHash } from 'node:crypto'
import { mkdir } from 'node:fs/promises'
import { join } from 'node:path'
import { z } from 'zod'
import { EnrolReply } from '#protocol/host.ts'
import { generateEd25519, PublicKeyText } from '#protocol/signature.ts'
import { EXIT } from '#runtime/exit-codes.ts'
import { Failure } from './failure.ts'
import { readIfThere, writeDurably } from './files.ts'

const HostKey = z.object({ publicKey: PublicKeyText, privateKey: z.string() })
export type HostKey = z.infer<typeof HostKey>

/** What enrolment gave this machine on one server. */
const Enrolled = z.object({ server: z.string(), ...EnrolReply.shape })
export type Enrolled = z.infer<typeof Enrolled>

/** The directory of this machine's life as a host of one server: each server has its own key and token. */
export async function hostDirectory(stateDir: string, server: string): Promise<string> {
  const name = createHash('sha256').update(new URL(server).origin).digest('hex').slice(0, 16)
  const directory = join(stateDir, 'hosts', name)
  await mkdir(directory, { recursive: true, mode: 0o700 })
  return directory
}

/** The host's key pair, made and stored (mode 0600) before it is ever used. */
export async function hostKey(directory: string): Promise<HostKey> {
  const stored = await readIfThere(join(directory, 'key.json'))
  return stored === undefined ? freshHostKey(directory) : parseStored(HostKey, stored, directory)
}

/** A new key pair in place of the old one. */
export async function freshHostKey(directory: string): Promise<HostKey> {
  const pair = await generateEd25519()
  await writeDurably(join(directory, 'key.json'), JSON.stringify(pair))
  return HostKey.parse(pair)
}

export async function loadEnrolled(directory: string): Promise<Enrolled | undefined> {
  const stored = await readIfThere(join(directory, 'host.json'))
  return stored === undefined ? undefined : parseStored(Enrolled, stored, directory)
}

/** These two files are written once: damage means a damaged disk, and only a person should throw an identity away. */
function parseStored<T>(schema: z.ZodType<T>, bytes: Buffer, directory: string): T {
  try {
    return schema.parse(JSON.parse(bytes.toString()))
  } catch {
    const what = `${directory}: this host's identity cannot be read`
    throw new Failure(EXIT.failure, 'state_damaged', { what, hint: 'Remove that directory to enrol afresh.' })
  }
}

export const saveEnrolled = (directory: string, enrolled: Enrolled): Promise<void> =>
  writeDurably(join(directory, 'host.json'), JSON.stringify(enrolled))
