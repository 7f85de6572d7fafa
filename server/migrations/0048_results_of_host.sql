-- The page of a host: what it was given, the latest first, and how much of each kind, which was a walk over all results.
create index results_of_host on results (host_id, sent_at) where host_id is not null;
