-- What the statements that write these rows imply is not looked up again for each of them, nor guarded twice (decision 0057).
alter table results
  drop constraint results_work_unit_id_fkey, -- made of the row of its unit
  drop constraint results_host_id_fkey; -- given to hosts that the statement joins
alter table corpus drop constraint corpus_work_unit_id_fkey; -- made of the row of its unit
alter table experiments drop constraint experiments_campaign_id_fkey; -- the transaction counts them in the row of their campaign

-- A unit's next row in the corpus has the number of those before it, all of which were retracted: what two write at once is one row.
drop index corpus_standing;
