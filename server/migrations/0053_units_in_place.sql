-- A unit is accepted in place: what that changes is in no index of the wide row (decision 0053).

-- Units to which something may still happen: those that are not published, of which the open ones are a part, and published ones that wait
-- for a moment. Written by whatever writes published_at or a moment, under the lock of the unit.
create table live_units (
  campaign_id text not null,
  work_unit_id text not null,
  published boolean not null default false,
  canary boolean not null default false,
  wake_at timestamptz, -- when to look at it again
  primary key (campaign_id, work_unit_id),
  constraint alive_for_a_reason check (not published or wake_at is not null)
) with (autovacuum_vacuum_scale_factor = 0, autovacuum_vacuum_threshold = 2000);
insert into live_units (campaign_id, work_unit_id, published, canary, wake_at)
  select campaign_id, id, published_at is not null, canary, wake_at from work_units where published_at is null or wake_at is not null;
create index live_units_wake on live_units (wake_at) where wake_at is not null; -- read by the sweeper
create index live_units_canaries on live_units (work_unit_id) where canary; -- read by the daemon: how many are there?
drop index work_units_canaries;
drop index work_units_wake;

alter table work_units
  drop column wake_at,
  add column answered_by text, -- the result of another unit with which the corpus answered it
  add column lost_at timestamptz, -- when it was published that nothing came of it
  add constraint answered_by_canonical check (answered_by is null or answered_by is not distinct from canonical_result_id),
  add constraint lost_without_answer check (lost_at is null or state in ('failed', 'cancelled'));
update work_units w set answered_by = r.id from results r where r.id = w.canonical_result_id and r.work_unit_id <> w.id;
update work_units set lost_at = published_at where state in ('failed', 'cancelled') and published_at is not null;
create index work_units_answered on work_units (answered_by) where answered_by is not null; -- whose answer was retracted
drop index work_units_by_canonical;

-- Read by the proposer: what became public since it told its sampler last, of which something came and of which nothing did.
drop index corpus_of_campaign;
create index corpus_of_campaign on corpus (campaign_id, published_at);
create index work_units_lost on work_units (campaign_id, lost_at) where lost_at is not null;
drop index work_units_published;

create index work_units_claims on work_units (campaign_id) where demand = 'record'; -- read by what chooses the verifier's next checks
drop index work_units_of_campaign;
create index work_units_of_campaign on work_units (campaign_id, id);
alter table work_units set (fillfactor = 45); -- units of a page are given to one host and accepted together: room for the second version of all
