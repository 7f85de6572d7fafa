import { type DBSchema, type IDBPDatabase, openDB } from 'idb'
import { z } from 'zod'
import { EnrolReply } from '#protocol/host.ts'
import { KeptReport, Lease } from '#protocol/scheduler.ts'
import { PublicKeyText } from '#protocol/signature.ts'
import { Sha256 } from '#protocol/units.ts'
import type { HostStore } from '#runtime/host-store.ts'
import type { Computed } from '#runtime/snapshot.ts'
import { DATABASE } from './messages.ts'

/** What this browser profile knows of itself as a host. */
export const HostKey = z.object({ publicKey: PublicKeyText, privateKey: z.string() })
export type HostKey = z.infer<typeof HostKey>

const Serials = z.record(z.string(), z.int())
const Call = z.int()

interface Schema extends DBSchema {
  /** `key`, `enrolled`, `call`, `serials`, `release`: one value each. */
  facts: { key: string; value: unknown }
  leases: { key: string; value: unknown }
  checkpoints: { key: string; value: Uint8Array }
  outbox: { key: string; value: unknown }
  artifacts: { key: string; value: Uint8Array<ArrayBuffer> }
  computed: { key: string; value: Computed }
}
const STORES = ['facts', 'leases', 'checkpoints', 'outbox', 'artifacts', 'computed'] as const

/** As many computed results are remembered for the page; the server has all of them. */
const COMPUTED_MAX = 500
/** An artifact whose verdict never came is not kept for ever. */
const ARTIFACTS_MAX = 32

// What was awaited must be there after the tab is closed at the next line.
const DURABLE = { durability: 'strict' } as const

/** The host's memory in IndexedDB. */
export interface BrowserStore extends HostStore {
  key(): Promise<HostKey | undefined>
  saveKey(key: HostKey): Promise<void>
  enrolled(): Promise<EnrolReply | undefined>
  saveEnrolled(enrolled: EnrolReply): Promise<void>
  /** The release of the kernel that was tested last. */
  release(): Promise<Sha256 | undefined>
  saveRelease(sha256: Sha256): Promise<void>
  /** Newest last. */
  computed(): Promise<Computed[]>
  saveComputed(computed: Computed): Promise<void>
}

export async function openStore(): Promise<BrowserStore> {
  const db = await openDB<Schema>(DATABASE, 1, {
    upgrade: fresh => {
      for (const name of STORES) fresh.createObjectStore(name)
    },
  })
  const fact: Fact = async (name, schema) => {
    const parsed = schema.safeParse(await db.get('facts', name))
    return parsed.success ? parsed.data : undefined
  }
  const saveFact = (name: string, value: unknown): Promise<void> => save(db, 'facts', name, value)
  return {
    ...hostStore(db, fact, saveFact),
    key: () => fact('key', HostKey),
    saveKey: key => saveFact('key', key),
    enrolled: () => fact('enrolled', EnrolReply),
    saveEnrolled: enrolled => saveFact('enrolled', enrolled),
    release: () => fact('release', Sha256),
    saveRelease: sha256 => saveFact('release', sha256),
    computed: async () => (await db.getAll('computed')).sort((a, b) => a.at - b.at),
    saveComputed: async computed => {
      await bound(db, 'computed', COMPUTED_MAX)
      await save(db, 'computed', computed.resultId, computed)
    },
  }
}

type Fact = <Schema extends z.ZodType>(name: string, schema: Schema) => Promise<z.output<Schema> | undefined>
type Name = (typeof STORES)[number]

async function save<N extends Name>(
  db: IDBPDatabase<Schema>,
  name: N,
  key: string,
  value: Schema[N]['value'],
): Promise<void> {
  const transaction = db.transaction(name, 'readwrite', DURABLE)
  await transaction.store.put(value, key)
  await transaction.done
}

/** Ids sort by age: the oldest go. */
async function bound(db: IDBPDatabase<Schema>, name: Name, most: number): Promise<void> {
  const keys = await db.getAllKeys(name)
  for (const key of keys.slice(0, Math.max(0, keys.length - most + 1))) await db.delete(name, key)
}

/** The entries that parse; others are of another version, and the server knows them anyway. */
async function all<T>(db: IDBPDatabase<Schema>, name: Name, schema: z.ZodType<T>): Promise<T[]> {
  return (await db.getAll(name)).flatMap(value => {
    const parsed = schema.safeParse(value)
    return parsed.success ? [parsed.data] : []
  })
}

function hostStore(
  db: IDBPDatabase<Schema>,
  fact: Fact,
  saveFact: (name: string, value: unknown) => Promise<void>,
): HostStore {
  return {
    load: async () => {
      const [reports, leases] = [await all(db, 'outbox', KeptReport), await all(db, 'leases', Lease)]
      const alive = new Set(leases.map(lease => String(lease.resultId)))
      for (const key of await db.getAllKeys('checkpoints'))
        if (!alive.has(key)) await db.delete('checkpoints', key)
      return { leases, reports }
    },
    nextCall: async now => {
      // One transaction: the page may call beside the volunteer, and no number may be given out twice.
      const transaction = db.transaction('facts', 'readwrite', DURABLE)
      const last = Call.safeParse(await transaction.store.get('call'))
      const number = Math.max((last.success ? last.data : 0) + 1, now)
      await transaction.store.put(number, 'call')
      await transaction.done
      return number
    },
    saveLease: lease => save(db, 'leases', lease.resultId, lease),
    saveReport: async (report, artifact) => {
      if (artifact !== null) {
        await bound(db, 'artifacts', ARTIFACTS_MAX)
        await save(db, 'artifacts', report.resultId, new Uint8Array(artifact))
      }
      await save(db, 'outbox', report.resultId, report)
    },
    saveCheckpoint: (resultId, bytes) => save(db, 'checkpoints', resultId, bytes),
    checkpoint: resultId => db.get('checkpoints', resultId),
    artifact: resultId => db.get('artifacts', resultId),
    forget: async resultId => {
      const transaction = db.transaction(['leases', 'checkpoints', 'outbox'], 'readwrite', DURABLE)
      for (const name of ['leases', 'checkpoints', 'outbox'] as const)
        await transaction.objectStore(name).delete(resultId)
      await transaction.done
    },
    forgetArtifact: resultId => db.delete('artifacts', resultId),
    serials: async () => (await fact('serials', Serials)) ?? {},
    saveSerials: serials => saveFact('serials', serials),
  }
}
