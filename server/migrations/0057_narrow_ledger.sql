-- What nobody asks for is in no index (decision 0055): of the two transfers of a result, grants in that of debits and vests in that of campaigns.
drop index transfers_debit;
create index transfers_debit on transfers (debit, id) where debit not like 'escrow:%'; -- an account's last entries; what lapsed of a starter
drop index transfers_of_campaign;
create index transfers_of_campaign on transfers (campaign_id) where kind <> 'vest'; -- what was reserved, paid and refunded
