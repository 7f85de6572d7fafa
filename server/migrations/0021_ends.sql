-- What a campaign's followers are told, in the transaction of each act; and one account of why it ended.

alter table campaigns rename column end_reason to ended_reason; -- in the words of whoever ended it

alter table campaigns
  drop constraint campaigns_ended_by_check,
  add constraint campaigns_ended_by_check check
    (ended_by in ('runs', 'plateau', 'promotion', 'space', 'deadline', 'credit', 'owner', 'operator')),
  add column best_experiment_id text references experiments; -- of which its followers were told last

update campaigns set ended_by = case
    when state = 'finished' then coalesce(ended_by, 'runs')
    when ended_reason like 'ends_by %' then 'deadline'
    else coalesce(ended_by, 'owner') end
  where state <> 'running';

alter table campaigns add constraint an_end_has_a_cause check (state = 'running' or ended_by is not null);

alter table campaign_events
  add column experiment_id text references experiments, -- the one that leads, or was judged
  add constraint events_that_are_told check (event in ('finished', 'cancelled', 'best', 'verdict', 'revised', 'paused',
    'resumed', 'note', 'reopened', 'overturned')),
  add constraint results_are_of_units check ((event in ('reopened', 'overturned')) = (work_unit_id is not null)),
  add constraint experiments_lead_or_are_judged check (experiment_id is null or event in ('best', 'verdict')),
  add constraint a_best_is_an_experiment check (event <> 'best' or experiment_id is not null);
