-- A grant for each result is not asked for by campaign: a page takes them from the balance of the escrow, the audit adds up all transfers at once.
drop index transfers_of_campaign;
create index transfers_of_campaign on transfers (campaign_id) where kind not in ('grant', 'vest'); -- what was reserved and refunded
