import type { KeptReport, Lease } from '#protocol/scheduler.ts'
import type { ResultId, Sha256 } from '#protocol/units.ts'
import type { LocalMs } from './agent-state.ts'
import type { Serials } from './release.ts'

/**
 * What a host must not lose. Each promise resolves when the bytes are on disk: whatever was awaited is there after a
 * SIGKILL at the next line.
 */
export interface HostStore {
  /** What an earlier process left. Damaged entries are dropped: the server sends leases again. */
  load(): Promise<{ readonly leases: readonly Lease[]; readonly reports: readonly KeptReport[] }>
  /** The number of a new signed call: above all earlier ones, also when the store was lost or put back. */
  nextCall(now: LocalMs): Promise<number>
  saveLease(lease: Lease): Promise<void>
  /** A finished result, before it is sent; the artifact stays beside it. */
  saveReport(report: KeptReport, artifact: Uint8Array | null): Promise<void>
  saveCheckpoint(resultId: ResultId, checkpoint: Uint8Array): Promise<void>
  checkpoint(resultId: ResultId): Promise<Uint8Array | undefined>
  /** Keeps a run to an earlier rung by its run key, as long as there is room; a host without such a memory begins anew. */
  savePrefix?(runKey: Sha256, checkpoint: Uint8Array): Promise<void>
  prefix?(runKey: Sha256): Promise<Uint8Array | undefined>
  artifact(resultId: ResultId): Promise<Uint8Array<ArrayBuffer> | undefined>
  /** Forgets lease, checkpoint and report; not the artifact. Unknown ids are fine. */
  forget(resultId: string): Promise<void>
  forgetArtifact(resultId: ResultId): Promise<void>
  serials(): Promise<Serials>
  saveSerials(serials: Serials): Promise<void>
}
