// A campaign with as many finished experiments as one wants, as the assimilator would leave it, written in a few statements.

import type { Knex } from 'knex'

/**
 * Adds finished experiments to a campaign that has at least one, whose recipe theirs are varied from: each with a valid unit that two hosts
 * computed, a curve of sixteen points, and a metric that depends on the recipe as such metrics do. The campaign is then over.
 */
export async function fillCampaign(knex: Knex, campaign: string, experiments: number): Promise<void> {
  await knex.transaction(async trx => {
    await trx.raw('set local statement_timeout = 0')
    await trx.raw('select setseed(0.7)')
    for (const statement of FILL) {
      const named = Object.entries({ campaign, experiments }).filter(([name]) =>
        statement.includes(`:${name}`),
      )
      await trx.raw(statement, Object.fromEntries(named))
    }
  })
  await knex.raw('vacuum analyze')
}

const ID = `lpad(cast(m.i as text), 26, '0')`
const FUEL = 3_000_000_000

const FILL = [
  `create temp table made on commit drop as
   select v.i, 'e_' || lpad(cast(v.i as text), 26, '0') as experiment, r.recipe || jsonb_build_object('lr', v.lr, 'width', v.width,
       'depth', v.depth, 'warmup', v.warmup, 'batch', v.batch) as recipe,
     now() - (cast(:experiments as int) - v.i) * interval '20 seconds' as at,
     2.1 + 0.4 * power(log(v.lr / 0.004), 2) + 6.0 / v.width - 0.02 * v.depth + case when v.warmup = 0 then 0.04 else 0 end
       + 0.02 * sqrt(-2 * ln(1 - random())) * cos(2 * pi() * random()) as value
   from (
     select i, round(cast(0.001 * power(30, random()) as numeric), 6) as lr, 16 * cast(power(2, floor(3 * random())) as int) as width,
       1 + cast(floor(4 * random()) as int) as depth, 10 * cast(floor(6 * random()) as int) as warmup,
       4 * cast(power(2, floor(3 * random())) as int) as batch
     from generate_series(1, cast(:experiments as int)) as i) as v
   cross join (select recipe from experiments where campaign_id = :campaign order by ordinal limit 1) as r`,
  `insert into hosts (id, name, owner_key, public_key, token_hash, client, engine_classes, cores, memory_mib, daily_quota, quota_day,
     created_at, last_seen_at)
   select 'h_' || ${ID}, 'host ' || m.i, 'host ' || m.i, m.i, m.i, case when m.i % 3 = 0 then 'web Chromium' else 'xeenet/1' end, '{wasm}',
     4, 4096, 100, current_date, now(), now() from generate_series(1, 60) as m(i)`,
  `insert into experiments (id, campaign_id, ordinal, recipe, recipe_sha256, proposer, created_at)
   select m.experiment, :campaign, 1000 + m.i, m.recipe, md5(cast(m.recipe as text) || m.i), 'random', m.at from made m`,
  `insert into experiment_scores (campaign_id, experiment_id, n, mean, m2)
   select :campaign, m.experiment, 1, m.value, 0 from made m`,
  `insert into work_units (id, campaign_id, experiment_id, seed_index, seed, job, run_key, engine_class, kernel_sha256, state,
     canonical_result_id, closed_at, published_at, metric, min_quorum, target_results, max_error_results, max_total_results,
     max_success_results, deadline_ms, grace_ms, give_up_ms, fuel_max, created_at)
   select 'w_' || ${ID}, :campaign, m.experiment, 0, 1, (select job from work_units where campaign_id = :campaign limit 1), md5('run' || m.i),
     'wasm', c.kernel_sha256, 'valid', 'r_' || ${ID}, m.at, m.at, m.value, 2, 2, 4, 12, 6, 60000, 60000, 3600000, ${FUEL}, m.at
   from made m join campaigns c on c.id = :campaign`,
  `insert into results (id, work_unit_id, kind, attempt, created_at, state, outcome, verdict, host_id, owner_key, sent_at, reported_at,
     digest, report, fuel_used, trusted, metric, granted_milli, granted_decision, vested)
   select case k when 1 then 'r_' || ${ID} else 'r_1' || substr(${ID}, 2) end, 'w_' || ${ID}, 'replica', 0, m.at, 'over', 'success', 'valid',
     h.id, h.owner_key, m.at - interval '40 seconds', m.at, md5('digest' || m.i) || md5('of' || m.i), '{}', ${FUEL}, k = 1, m.value, 30, 0, true
   from made m cross join generate_series(1, 2) as k
   join hosts h on h.id = 'h_' || lpad(cast(1 + (2 * m.i + k) % 60 as text), 26, '0')`,
  `insert into corpus (work_unit_id, run_key, campaign_id, experiment_id, result_id, kernel_sha256, dataset_sha256, recipe, seed, job_limit,
     status, metric_name, metric_value, curve, counters, fuel_used, digest, replicas, published_at)
   select 'w_' || ${ID}, md5('run' || m.i), :campaign, m.experiment, 'r_' || ${ID}, c.kernel_sha256, c.dataset_sha256, m.recipe, 1,
     '{"fuel": ${FUEL}}', 'ok', c.file->'metric'->>'name', m.value,
     (select jsonb_agg(jsonb_build_object('update', 25 * p, 'fuel', p / 16.0, 'train', m.value + 4 * exp(-p / 3.0) + 0.02 * sin(m.i + p),
        'val', case when p = 16 then m.value end) order by p) from generate_series(0, 16) as p),
     jsonb_build_object('parameters', 1000 + cast(m.recipe->>'width' as int) * 130 * cast(m.recipe->>'depth' as int), 'updates', 400),
     ${FUEL}, md5('digest' || m.i) || md5('of' || m.i), 2, m.at
   from made m join campaigns c on c.id = :campaign`,
  `update campaigns set experiments_planned = 1000 + :experiments, experiments_created = 1000 + :experiments where id = :campaign`,
]
