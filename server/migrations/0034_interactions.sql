-- Questions "does the best X depend on Y?": what the server's agent compares to answer them, and how that stands.

create table campaign_interactions (
  campaign_id text not null references campaigns,
  best text not null,
  by_parameter text not null,
  state text not null check (state in ('running', 'depends', 'no_dependence', 'undecided', 'same_choice', 'not_measured')),
  why text, -- nothing is compared
  -- the choice of the lowest level there, that of the highest there, the choice of the highest at the lowest, and the reverse
  cells text[] not null default '{}',
  seeds_asked integer not null default 0 check (seeds_asked >= 0),
  deviation double precision not null default 0 check (deviation >= 0), -- of a cost, by screening, when it began
  costs double precision[] not null default '{}', -- of exchanging the two choices, by fresh seed
  llr double precision not null default 0,
  lower_bound double precision not null,
  upper_bound double precision not null,
  started_at timestamptz not null,
  decided_at timestamptz,
  primary key (campaign_id, best, by_parameter),
  constraint four_cells_or_none check (cardinality(cells) = case when state in ('same_choice', 'not_measured') then 0 else 4 end),
  constraint why_iff_nothing_compared check ((cardinality(cells) = 0) = (why is not null)),
  constraint decided_iff_not_running check ((state = 'running') = (decided_at is null))
);
