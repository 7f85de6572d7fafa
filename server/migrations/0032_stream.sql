-- When runs became public, for whoever watches (decision 0032): one row for all runs of a campaign that did so in one transaction.
-- Numbered together with the events of campaigns, so that both have one order: (xid, id).
create table ticks (
  id bigint primary key default nextval('campaign_events_id_seq'),
  xid xid8 not null default pg_current_xact_id(),
  campaign_id text not null references campaigns,
  at timestamptz not null,
  runs integer not null check (runs >= 0), -- 0: of runs that were public before, some were verified now
  failed integer not null check (failed between 0 and runs),
  agreed integer not null check (agreed >= 0), -- the most replicas that agreed on one of them
  experiments text[] not null
);
create index ticks_in_order on ticks (xid, id);
create index ticks_by_time on ticks (at);

create function tick_of_publication() returns trigger language plpgsql as $$
  begin
    insert into ticks (campaign_id, at, runs, failed, agreed, experiments)
    select campaign_id, max(published_at), count(*), count(*) filter (where status <> 'ok'), max(replicas),
      array_agg(distinct experiment_id)
    from published group by campaign_id order by campaign_id;
    return null;
  end $$;
create trigger corpus_ticks after insert on corpus referencing new table as published
  for each statement execute function tick_of_publication();

create function tell_of_tick() returns trigger language plpgsql as
  $$ begin perform pg_notify('ticks', new.campaign_id); return null; end $$;
create trigger ticks_told after insert on ticks for each row execute function tell_of_tick();
