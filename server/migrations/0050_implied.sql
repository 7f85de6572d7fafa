-- What the statements that write these rows imply is not looked up again for each of them (decision 0049). Nothing is ever deleted from
-- the tables that were referred to.
alter table transfers
  drop constraint transfers_debit_fkey, -- the accounts are made and locked by the transaction; the audit finds any other
  drop constraint transfers_credit_fkey,
  drop constraint transfers_campaign_id_fkey,
  drop constraint transfers_result_id_fkey;
alter table sealed_transfers drop constraint sealed_transfers_block_fkey; -- the block is of the same transaction
alter table corpus -- a copy of its work unit, which it still refers to
  drop constraint corpus_campaign_id_fkey,
  drop constraint corpus_experiment_id_fkey,
  drop constraint corpus_result_id_fkey;
alter table work_units -- of its experiment, to which it still refers
  drop constraint work_units_campaign_id_fkey,
  drop constraint work_units_kernel_sha256_fkey,
  drop constraint canonical_is_a_result; -- taken from the row of the result
