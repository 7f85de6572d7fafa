-- What of a test its campaign's followers were told last: a verdict on what is withheld waits until that is shown.
alter table campaign_tests add column told text not null default 'running';
update campaign_tests set told = state;
