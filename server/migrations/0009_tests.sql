-- What a campaign makes certain: sequential tests on fresh seeds, its unchanged recipe beside what it tries, and notes.

alter table campaigns
  -- why it tries nothing more: all is tried, a stop rule, or the owner; null while it goes on
  add column ended_by text check (ended_by in ('runs', 'plateau', 'promotion', 'space', 'deadline', 'credit', 'owner'));

-- The campaign's unchanged recipe. It is nobody's proposal: samplers are not told of it, and may propose the same.
alter table experiments
  add column baseline boolean not null default false,
  drop constraint experiments_campaign_id_recipe_sha256_key;
create unique index experiments_recipe on experiments (campaign_id, recipe_sha256) where not baseline;
create unique index experiments_baseline on experiments (campaign_id) where baseline;

create table campaign_tests ( -- is the challenger better than the incumbent, on seeds that screening never used?
  campaign_id text not null references campaigns,
  number integer not null check (number >= 1), -- the i-th test spends α·6/(π²i²)
  incumbent_id text not null references experiments,
  challenger_id text not null references experiments,
  first_seed integer not null check (first_seed >= 1), -- index of its first pair
  pairs_asked integer not null check (pairs_asked >= 1),
  deviation double precision not null check (deviation >= 0), -- of a paired difference, by screening, when it began
  state text not null check (state in ('running', 'promoted', 'rejected', 'undecided')),
  gains double precision[] not null default '{}', -- of the challenger by pair, in the order of the seeds: positive is better
  llr double precision not null default 0,
  lower_bound double precision not null,
  upper_bound double precision not null,
  started_at timestamptz not null,
  decided_at timestamptz,
  primary key (campaign_id, number),
  unique (campaign_id, incumbent_id, challenger_id),
  constraint two_sides check (incumbent_id <> challenger_id),
  constraint decided_iff_not_running check ((state = 'running') = (decided_at is null))
);

create table campaign_notes ( -- append-only
  id text primary key,
  campaign_id text not null references campaigns,
  at timestamptz not null,
  author_id text references users, -- null: the server's own agent
  kind text not null check (kind in ('insight', 'hypothesis', 'decision')),
  body text not null check (length(body) between 1 and 4000),
  evidence text[] not null default '{}' -- ids of results and experiments
);
create index campaign_notes_of_campaign on campaign_notes (campaign_id, id);
