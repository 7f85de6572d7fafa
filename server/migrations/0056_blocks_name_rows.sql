-- A block names its rows itself (decision 0054): a row for each of them, in two indexes, was a sixth of what a transfer writes.
alter table blocks
  add column ids bigint[] not null default '{}', -- in the order of the chain
  add column leaves bytea not null default '', -- the hash of each when it was sealed, 32 bytes, in the same order
  add column min_id bigint not null default 0, -- a row is looked for in the blocks whose ids are around its own
  add column max_id bigint not null default 0;
alter table blocks alter column leaves set storage external; -- hashes do not compress

alter table blocks disable trigger blocks_append_only;
update blocks b set ids = s.ids, leaves = s.leaves, min_id = s.min_id, max_id = s.max_id
from (
  select block, array_agg(transfer_id order by position) as ids, string_agg(decode(leaf, 'hex'), '' order by position) as leaves,
    min(transfer_id) as min_id, max(transfer_id) as max_id
  from sealed_transfers group by block) as s
where s.block = b.number;
alter table blocks enable trigger blocks_append_only;

alter table blocks
  alter column ids drop default, alter column leaves drop default, alter column min_id drop default, alter column max_id drop default,
  add constraint leaf_of_each check (length(leaves) = 32 * cardinality(ids)),
  add constraint ids_between check (min_id <= max_id);
drop table sealed_transfers;
-- Read by receipts and an account's entries: which block has this row? Ids of neighbouring blocks overlap, as transactions do.
create index blocks_of_ids on blocks using gist (int8range(min_id, max_id, '[]'));
