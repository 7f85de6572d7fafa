import { z } from 'zod'
import { DatasetManifest } from './dataset.ts'
import { Rung } from './job.ts'
import { KernelManifest, SignedRelease } from './kernel.ts'
import { WorkUnitId } from './units.ts'

/** GET /api/v1/campaigns/:id/work-units: where each run stands. Hosts are named once the embargo is over. */
export const WorkUnitList = z.object({
  workUnits: z.array(
    z.object({
      id: WorkUnitId,
      experimentId: z.string(),
      seedIndex: z.int(),
      /** How far the run goes: 0, 1, 2 are its first 27th, ninth and third, 3 is all of it. */
      rung: Rung,
      state: z.enum(['open', 'valid', 'failed', 'cancelled']),
      failure: z.string().nullable(),
      disputed: z.boolean(),
      published: z.boolean(),
      results: z.array(
        z.object({
          id: z.string(),
          kind: z.string(),
          state: z.string(),
          outcome: z.string().nullable(),
          verdict: z.string().nullable(),
          fraction: z.number(),
          hostId: z.string().nullable(),
        }),
      ),
    }),
  ),
  nextAfter: z.string().nullable(),
})
export type WorkUnitList = z.infer<typeof WorkUnitList>

/** GET /api/v1/kernels */
export const KernelList = z.object({
  kernels: z.array(
    z.object({
      manifest: KernelManifest,
      release: SignedRelease,
      /** Of a kernel that somebody proposed: whether the operator's compiler gave its module again. Null: the operator's own. */
      rebuilt: z.boolean().nullable(),
      /** No campaign is submitted with it any more. */
      deprecated: z.boolean(),
    }),
  ),
})
export type KernelList = z.infer<typeof KernelList>

/** GET /api/v1/datasets */
export const DatasetList = z.object({ datasets: z.array(DatasetManifest) })
export type DatasetList = z.infer<typeof DatasetList>
