-- The first schema. Postgres repeats what the types claim: enums, CHECKs, foreign keys, partial unique indexes.
-- Instants are timestamptz, credit is bigint milli-credits, ids are text (`kind_` + 26 characters).

create type role as enum ('volunteer', 'researcher', 'operator');
create type scope as enum ('enrol', 'verify', 'campaign', 'admin');
create type host_state as enum ('active', 'quarantined', 'retired');
create type campaign_state as enum ('running', 'finished', 'cancelled');
create type work_unit_state as enum ('open', 'valid', 'failed', 'cancelled');
create type work_unit_failure as enum
  ('too_many_errors', 'too_many_results', 'too_many_successes', 'no_eligible_host');
create type result_kind as enum ('replica', 'check'); -- a check is for trusted hosts only (DESIGN §8, V3)
create type result_state as enum ('unsent', 'in_progress', 'over');
create type result_outcome as enum ('success', 'error', 'no_reply', 'not_needed', 'cancelled');
create type verdict as enum ('pending', 'valid', 'invalid', 'inconclusive');
create type transfer_kind as enum ('starter', 'reserve', 'grant', 'refund', 'overrun', 'correction');

create table settings ( -- server id and the like; secrets live in files
  key text primary key,
  value text not null
);

create table users (
  id text primary key,
  name text not null unique check (length(name) between 1 and 60),
  roles role[] not null,
  created_at timestamptz not null
);

create table tokens (
  id text primary key,
  user_id text not null references users,
  hash text not null unique, -- SHA-256 of the token; the token itself is shown once
  scopes scope[] not null check (cardinality(scopes) > 0),
  label text not null,
  created_at timestamptz not null,
  expires_at timestamptz,
  revoked_at timestamptz
);

create table hosts (
  id text primary key,
  user_id text references users, -- null: anonymous
  name text not null,
  state host_state not null default 'active',
  trusted boolean not null default false, -- enrolled with a token of scope verify
  -- who counts as one owner: the user, or the network prefix of an anonymous host (an HMAC), or the host itself
  owner_key text not null,
  public_key text not null unique,
  token_hash text not null unique,
  client text not null,
  engine_classes text[] not null check (cardinality(engine_classes) > 0),
  cores integer not null check (cores > 0),
  memory_mib integer not null check (memory_mib > 0),
  last_call bigint not null default 0,
  last_reply text, -- byte for byte, for a repeated call number
  last_body_sha256 text,
  daily_quota integer not null check (daily_quota > 0),
  quota_day date not null,
  quota_used integer not null default 0 check (quota_used >= 0),
  recent_checks text not null default '' check (recent_checks ~ '^[=x]{0,20}$'), -- last trusted comparisons: = equal, x not
  idle_since timestamptz, -- calls for work in vain since then: how far it is told to back off grows with it
  created_at timestamptz not null,
  last_seen_at timestamptz not null
);
create index hosts_by_user on hosts (user_id);
create index hosts_seen on hosts (last_seen_at); -- read by dispatch: owners seen lately

create table files (
  sha256 text primary key check (sha256 ~ '^[0-9a-f]{64}$'),
  bytes bigint not null check (bytes >= 0),
  kind text not null check (kind in ('kernel', 'data', 'artifact')),
  created_at timestamptz not null
);

create table kernels (
  module_sha256 text primary key check (module_sha256 ~ '^[0-9a-f]{64}$'),
  release_sha256 text not null references files,
  name text not null,
  version integer not null,
  serial integer not null,
  manifest jsonb not null,
  statement jsonb not null, -- what the operator signed
  signature text not null,
  admitted_at timestamptz not null,
  unique (name, version),
  unique (name, serial)
);

create table datasets (
  sha256 text primary key,
  name text not null,
  version integer not null,
  manifest jsonb not null,
  imported_at timestamptz not null,
  unique (name, version)
);

create table campaigns (
  id text primary key,
  owner_id text not null references users,
  state campaign_state not null default 'running',
  title text not null,
  file jsonb not null, -- the campaign file as submitted, canonical
  kernel_sha256 text not null references kernels (module_sha256),
  dataset_sha256 text not null references datasets (sha256),
  experiments_planned integer not null check (experiments_planned > 0),
  experiments_created integer not null default 0,
  price_milli_per_gfuel bigint not null check (price_milli_per_gfuel > 0),
  reserved_milli bigint not null check (reserved_milli >= 0),
  idempotency_key text,
  body_sha256 text not null,
  created_at timestamptz not null,
  ended_at timestamptz,
  settled_at timestamptz, -- the rest of the escrow went back
  constraint never_more_than_planned check (experiments_created <= experiments_planned),
  constraint ended_iff_not_running check ((state = 'running') = (ended_at is null)),
  unique (owner_id, idempotency_key)
);
create index campaigns_running on campaigns (id) where state = 'running';
create index campaigns_unsettled on campaigns (id) where settled_at is null;

create table experiments (
  id text primary key,
  campaign_id text not null references campaigns,
  ordinal integer not null check (ordinal >= 0),
  recipe jsonb not null,
  recipe_sha256 text not null,
  created_at timestamptz not null,
  unique (campaign_id, ordinal),
  unique (campaign_id, recipe_sha256)
);

create table work_units (
  id text primary key,
  campaign_id text not null references campaigns,
  experiment_id text not null references experiments,
  seed_index integer not null check (seed_index >= 0),
  seed bigint not null check (seed >= 0),
  job text not null, -- the exact bytes of slot 0
  run_key text not null,
  engine_class text not null,
  kernel_sha256 text not null references kernels (module_sha256),
  state work_unit_state not null default 'open',
  failure work_unit_failure,
  disputed boolean not null default false, -- two hosts disagree: only a trusted re-run settles it
  canonical_result_id text,
  min_quorum integer not null check (min_quorum >= 1),
  target_results integer not null,
  max_error_results integer not null check (max_error_results >= 0),
  max_total_results integer not null,
  max_success_results integer not null,
  deadline_ms bigint not null check (deadline_ms > 0),
  grace_ms bigint not null check (grace_ms >= 0),
  give_up_ms bigint not null check (give_up_ms > 0), -- an unsent result nobody may take fails the unit after this
  fuel_max bigint not null check (fuel_max > 0),
  priority integer not null default 0,
  wake_at timestamptz,
  created_at timestamptz not null,
  closed_at timestamptz,
  published_at timestamptz, -- the embargo is over and the corpus has it (or it had nothing to publish)
  unique (experiment_id, seed_index),
  constraint failure_iff_failed check ((state = 'failed') = (failure is not null)),
  constraint closed_iff_not_open check ((state = 'open') = (closed_at is null)),
  constraint canonical_iff_valid check ((state = 'valid') = (canonical_result_id is not null)),
  constraint published_only_closed check (published_at is null or state <> 'open'),
  constraint sizes check (min_quorum <= target_results and target_results <= max_total_results
    and target_results <= max_success_results and max_success_results <= max_total_results)
);
create index work_units_wake on work_units (wake_at) where wake_at is not null; -- read by the sweeper
create index work_units_of_campaign on work_units (campaign_id, state);
create index work_units_unpublished on work_units (campaign_id) where published_at is null; -- read by the proposer

create table results (
  id text primary key,
  work_unit_id text not null references work_units,
  kind result_kind not null,
  state result_state not null default 'unsent',
  outcome result_outcome,
  verdict verdict, -- of a success
  host_id text references hosts,
  owner_key text, -- copied from the host when leased
  trusted boolean not null default false, -- copied from the host when leased
  attempt integer not null check (attempt >= 0), -- leases of the unit lost before: deadlines grow with it
  priority integer not null default 0, -- copied from the work unit, so that one index has the order of dispatch
  created_at timestamptz not null,
  sent_at timestamptz,
  deadline timestamptz,
  grace_until timestamptz, -- a late report counts until then
  reported_at timestamptz,
  late boolean not null default false,
  fraction real not null default 0 check (fraction between 0 and 1), -- progress as last told
  digest text,
  report text, -- RFC 8785 bytes under the digest
  signature text,
  artifact_sha256 text,
  fuel_used bigint,
  cpu_ms bigint,
  error_code text,
  error_detail text,
  granted_milli bigint not null default 0,
  verdict_told boolean not null default true, -- false: the host has not heard the verdict yet
  constraint outcome_iff_over check ((state = 'over') = (outcome is not null)),
  constraint leased_iff_sent check ((host_id is null) = (sent_at is null)),
  constraint in_progress_has_host check (state <> 'in_progress' or (host_id is not null and deadline is not null)),
  constraint unsent_has_none check (state <> 'unsent' or host_id is null),
  constraint success_has_report check
    ((outcome is not distinct from 'success') = (digest is not null and report is not null and verdict is not null and fuel_used is not null)),
  constraint error_has_code check ((outcome is not distinct from 'error') = (error_code is not null)),
  constraint check_is_trusted check (kind = 'replica' or host_id is null or trusted),
  constraint paid_only_if_valid check (granted_milli = 0 or verdict = 'valid')
);
-- read by dispatch: an owner never computes two results of one work unit (a trusted host may check its own)
create unique index one_result_per_owner on results (work_unit_id, owner_key) where owner_key is not null and not trusted;
create index results_of_work_unit on results (work_unit_id);
-- read by dispatch: urgent ones first, then the oldest work units (their ids sort by age)
create index results_unsent on results (priority desc, work_unit_id, id) where state = 'unsent';
create index results_held on results (host_id) where state = 'in_progress';
create index results_untold on results (host_id) where not verdict_told;
-- An artifact may be read once a published unit shows it.
create index results_by_artifact on results (artifact_sha256) where artifact_sha256 is not null;
alter table work_units add constraint canonical_is_a_result
  foreign key (canonical_result_id) references results deferrable initially deferred;

-- Artifacts the server asked for. Only these may be uploaded, each by the host that committed to it.
create table file_requests (
  result_id text primary key references results,
  host_id text not null references hosts,
  sha256 text not null check (sha256 ~ '^[0-9a-f]{64}$'),
  requested_at timestamptz not null,
  received_at timestamptz
);
create index file_requests_open on file_requests (host_id) where received_at is null; -- read by every scheduler call

-- Double entry: append-only. Balances are a projection that Postgres keeps from going below zero.
create table accounts (
  name text primary key, -- mint, user:…, host:…, escrow:…
  balance_milli bigint not null default 0,
  constraint no_account_but_mint_below_zero check (name = 'mint' or balance_milli >= 0)
);
create table transfers (
  id bigint generated always as identity primary key,
  key text not null unique, -- makes a retry a no-op
  kind transfer_kind not null,
  debit text not null references accounts,
  credit text not null references accounts,
  amount_milli bigint not null check (amount_milli > 0),
  campaign_id text references campaigns,
  result_id text references results,
  reason text,
  created_at timestamptz not null,
  xid xid8 not null default pg_current_xact_id(), -- the sealer takes rows in (xid, id) order
  check (debit <> credit)
);
create index transfers_of_campaign on transfers (campaign_id) where campaign_id is not null;
create function refuse_change() returns trigger language plpgsql as
  $$ begin raise exception 'the ledger is append-only'; end $$;
create trigger transfers_append_only before update or delete or truncate on transfers
  for each statement execute function refuse_change();

-- Every published run, failures included. Nothing enters before its embargo ends.
create table corpus (
  work_unit_id text primary key references work_units,
  run_key text not null,
  campaign_id text not null references campaigns,
  experiment_id text not null references experiments,
  result_id text not null references results,
  kernel_sha256 text not null,
  dataset_sha256 text not null,
  recipe jsonb not null,
  seed bigint not null,
  job_limit jsonb not null,
  status text not null,
  metric_name text,
  metric_value double precision,
  curve jsonb not null,
  counters jsonb not null,
  fuel_used bigint not null,
  digest text not null,
  artifact_sha256 text,
  replicas integer not null check (replicas >= 1), -- how many equal results stand behind it
  published_at timestamptz not null,
  constraint metric_iff_ok check ((status = 'ok') = (metric_value is not null))
);
create index corpus_by_run_key on corpus (run_key);
create index corpus_of_campaign on corpus (campaign_id, metric_value);

create table host_events ( -- what an operator reads when a host is throttled or quarantined
  id bigint generated always as identity primary key,
  host_id text not null references hosts,
  at timestamptz not null,
  event text not null,
  detail text not null
);
