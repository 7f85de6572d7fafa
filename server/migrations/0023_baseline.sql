-- Campaigns compute their unchanged recipe unless their file says otherwise. Those submitted before reserved nothing for it.
update campaigns set file = file || '{"baseline": false}' where not jsonb_exists(file, 'baseline');
update campaign_revisions set file = file || '{"baseline": false}' where not jsonb_exists(file, 'baseline');
