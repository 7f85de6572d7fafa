-- Several proposers in one campaign: who proposed what, which promotions were known then, and what waits from outside for its turn.

alter table experiments
  add column proposer text, -- a sampler, or `propose`: somebody outside; null: the unchanged recipe, and what a study repeats
  -- how many promotions were told before it was proposed: the choice of the proposer can be computed again
  add column promotions integer not null default 0 check (promotions >= 0);

update experiments e set proposer = case when e.proposer_id is null then r.file->'sampler'->>'name' else 'propose' end
  from campaign_revisions r
  where r.campaign_id = e.campaign_id and r.revision = e.revision and not e.baseline and r.file->'study' is null;

create table search_promotions ( -- append-only; a later one of an experiment replaces an earlier one
  campaign_id text not null references campaigns,
  position integer not null check (position >= 0),
  ordinal integer not null,
  stands boolean not null, -- false: withdrawn, with a result that it rested on
  at timestamptz not null,
  primary key (campaign_id, position),
  foreign key (campaign_id, ordinal) references experiments (campaign_id, ordinal)
);

create table waiting_proposals ( -- gone once its turn has come
  id text primary key, -- of the experiment that it becomes
  campaign_id text not null references campaigns,
  recipe jsonb not null,
  recipe_sha256 text not null,
  proposer_id text not null references users,
  number bigint generated always as identity, -- the first one first
  at timestamptz not null,
  unique (campaign_id, recipe_sha256)
);
