import type { Knex } from 'knex'
import type { CampaignId } from '#protocol/units.ts'
import { type MadeUnit, runReport } from './builders.ts'
import type { TestHost } from './server.ts'

/** Reports a value for each unit, as this host; NaN is a run that diverged. */
export async function computeUnits(
  host: TestHost,
  units: readonly MadeUnit[],
  values: readonly number[],
): Promise<void> {
  for (let done = 0; done < units.length; done++) {
    const [lease] = (await host.ask({ want: 1 })).leases
    const value = values[units.findIndex(unit => unit.id === lease!.workUnitId)]!
    const run = Number.isNaN(value)
      ? runReport({ status: 'diverged', metric: null, curve: [], trace: [], artifactSha256: null })
      : runReport({ metric: { name: 'val_bpb', value }, curve: [] })
    await host.ask({ reports: [await host.report(lease!.resultId, run)] })
  }
}

/** The verifier has seen these units. */
export const verify = (knex: Knex, units: readonly MadeUnit[]) =>
  knex.raw(`update results set trusted = true where work_unit_id = any(?)`, [units.map(unit => unit.id)])

/** Ends the embargo of every unit of a campaign as the validator and the assimilator do. */
export async function endEmbargo(knex: Knex, campaignId: CampaignId): Promise<void> {
  const units = `select id from work_units where campaign_id = '${campaignId}'`
  await knex.raw(
    `update results set verdict = 'valid' where outcome = 'success' and work_unit_id in (${units})`,
  )
  await knex.raw(
    `update work_units w set state = 'valid', closed_at = now(), published_at = now(),
       canonical_result_id = (select min(id) from results where work_unit_id = w.id and outcome = 'success')
     where campaign_id = ?`,
    [campaignId],
  )
  await knex.raw(
    `insert into corpus (work_unit_id, run_key, campaign_id, experiment_id, result_id, kernel_sha256, dataset_sha256, recipe,
       seed, job_limit, status, metric_name, metric_value, curve, counters, fuel_used, digest, artifact_sha256, replicas,
       published_at)
     select w.id, w.run_key, w.campaign_id, w.experiment_id, r.id, w.kernel_sha256, c.dataset_sha256,
       cast(w.job as jsonb)->'recipe', w.seed, cast(w.job as jsonb)->'limit', x->>'status', x->'metric'->>'name',
       cast(x->'metric'->>'value' as double precision), x->'curve', x->'counters', r.fuel_used, r.digest,
       r.artifact_sha256, 1, now()
     from work_units w join campaigns c on c.id = w.campaign_id join results r on r.id = w.canonical_result_id,
       lateral cast(r.report as jsonb) as x
     where w.campaign_id = ?`,
    [campaignId],
  )
}
