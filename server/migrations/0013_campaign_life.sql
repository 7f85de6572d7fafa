-- The life of a campaign beside running and ended: pauses, reasons, and every text its file ever had.

alter table campaigns
  add column revision integer not null default 1 check (revision >= 1), -- of `file`, which is the newest
  add column respaced boolean not null default false, -- the space is not the submitted one: ordinals say nothing of points
  add column paused_at timestamptz,
  add column paused_ms bigint not null default 0 check (paused_ms >= 0), -- of pauses that are over
  add column end_reason text,
  add constraint paused_only_while_running check (paused_at is null or state = 'running'),
  add constraint reason_only_at_the_end check (end_reason is null or state <> 'running');

-- Under which revision an experiment was proposed: with `asked` it makes the proposal computable again.
alter table experiments add column revision integer not null default 1 check (revision >= 1);

create type revision_author as enum ('owner', 'operator', 'agent');
create table campaign_revisions ( -- append-only; revision 1 is the file as submitted
  campaign_id text not null references campaigns,
  revision integer not null check (revision >= 1),
  at timestamptz not null,
  author revision_author not null,
  reason text not null,
  file jsonb not null,
  primary key (campaign_id, revision)
);
insert into campaign_revisions (campaign_id, revision, at, author, reason, file)
  select id, 1, created_at, 'owner', 'as submitted', file from campaigns;

create index campaigns_of_owner on campaigns (owner_id) where state = 'running';
