-- Whoever waits for events of a campaign is told when one is committed (decision 0026).

create function tell_of_event() returns trigger language plpgsql as
  $$ begin perform pg_notify('campaign_events', new.campaign_id); return null; end $$;
create trigger campaign_events_told after insert on campaign_events for each row execute function tell_of_event();
