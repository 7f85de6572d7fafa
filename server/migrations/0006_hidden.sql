-- A text that nobody outside has: weights are evaluated on it as well (DESIGN §8, V1). No route, export or log shows it, its
-- hash, or what weights reach on it.
alter table files drop constraint files_kind_check;
alter table files add constraint files_kind_check check (kind in ('kernel', 'data', 'artifact', 'hidden'));

create table hidden_texts (
  dataset_sha256 text primary key references datasets,
  sha256 text not null references files,
  added_at timestamptz not null
);

alter table evaluations add column hidden_sha256 text references files; -- evaluated on this instead of val
alter table evaluations add column metric double precision; -- on a hidden text; for people it is a flag at most
alter table evaluations drop constraint evaluations_result_id_key;
create unique index evaluations_of_claim on evaluations (result_id) where hidden_sha256 is null;
create unique index evaluations_on_hidden on evaluations (result_id) where hidden_sha256 is not null;
alter table evaluations drop constraint evaluations_outcome_check;
alter table evaluations add constraint evaluations_outcome_check
  check (outcome in ('decoy', 'equal', 'different', 'failed', 'scored'));
alter table evaluations add constraint scored_on_hidden
  check ((outcome is not distinct from 'scored') = (metric is not null) and (metric is null or hidden_sha256 is not null));
