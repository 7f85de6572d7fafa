-- What the edge remembers between two calls of a host.

-- Since when the host was given nothing, calls without work: how far it is told to back off grows with it.
alter table hosts add column idle_since timestamptz;

-- Artifacts the server asked for. Only these may be uploaded, each by the host that committed to it.
create table file_requests (
  result_id text primary key references results,
  host_id text not null references hosts,
  sha256 text not null check (sha256 ~ '^[0-9a-f]{64}$'),
  requested_at timestamptz not null,
  received_at timestamptz
);
create index file_requests_open on file_requests (host_id) where received_at is null; -- read by every scheduler call
-- An artifact may be read once a published unit shows it.
create index results_by_artifact on results (artifact_sha256) where artifact_sha256 is not null;
-- Anonymous enrolments and "owners seen lately" ask for recent hosts.
create index hosts_seen on hosts (last_seen_at);
