-- Calls by whom they are limited, minute by minute, of all processes together: each adds what it counted every second or so. After a
-- crash of the database it is empty, which forgives a minute.

create unlogged table rate_counts (
  scope text not null, -- a kind, a colon, and a host's id or the blinded name of an address
  minute bigint not null check (minute >= 0), -- since 1970
  n integer not null check (n > 0),
  primary key (scope, minute)
);
create index rate_counts_by_minute on rate_counts (minute); -- read by who forgets them
