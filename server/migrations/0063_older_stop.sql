-- A version before knows nothing of the grants of a vest. It would go on beside this one (operating.md, Upgrades), seal such rows without them,
-- which no verification forgives, and count each as one result of no fuel. So what it writes here is refused.
alter table blocks add column form smallint not null default 1; -- of the rows under the hash: 2 has the grants of a vest
alter table blocks alter column form drop default;
alter table contribution_cursor rename column at to counted_at;
