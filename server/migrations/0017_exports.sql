-- Exports: files that a job makes of what is published, each of one state of its campaign or month.

alter table files drop constraint files_kind_check;
alter table files add constraint files_kind_check check (kind in ('kernel', 'data', 'artifact', 'hidden', 'export'));

create table exports (
  id text primary key,
  scope text not null, -- a campaign's id, or a month such as 2026-11
  campaign_id text references campaigns,
  requested_at timestamptz not null,
  built_at timestamptz,
  failed_at timestamptz,
  detail text, -- why it failed
  state_sha256 text check (state_sha256 ~ '^[0-9a-f]{64}$'), -- of what it holds
  row_count bigint,
  constraint scope_is_campaign_or_month check (campaign_id = scope or (campaign_id is null and scope ~ '^20[0-9]{2}-[0-9]{2}$')),
  constraint built_or_failed check (built_at is null or failed_at is null),
  constraint state_iff_built check ((built_at is null) = (state_sha256 is null) and (built_at is null) = (row_count is null)),
  constraint detail_iff_failed check ((failed_at is null) = (detail is null))
);
create index exports_of_scope on exports (scope, id desc);
-- Whoever asks while one is being built waits for that one.
create unique index exports_building on exports (scope) where built_at is null and failed_at is null;

create table export_files (
  export_id text not null references exports,
  name text not null,
  format text not null check (format in ('csv', 'ndjson', 'parquet', 'manifest')),
  sha256 text not null references files,
  primary key (export_id, format)
);
create index export_files_by_hash on export_files (sha256); -- read when old exports go

-- read by exports and lists: has a verifier seen the run?
create index results_seen on results (work_unit_id) where trusted and verdict = 'valid';
-- a month of the corpus; its list, newest first
create index corpus_by_time on corpus (published_at, work_unit_id);
