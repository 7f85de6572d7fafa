-- What becomes final together of one host is one transfer, which names its grants (decision 0056).
alter table transfers
  add column grants text[], -- of a vest: those that it makes final, each as result:decision, the end of its key
  add constraint named_by_its_first_grant check (grants is null or kind = 'vest' and result_id is null and key = 'vest:' || grants[1]);

-- Read by receipts and debts. Grants are found by their keys, one for each decision, vests from the grants.
drop index transfers_of_result;
create index transfers_of_result on transfers (result_id) where kind not in ('grant', 'vest');
