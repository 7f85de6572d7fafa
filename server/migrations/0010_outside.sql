-- Experiments that somebody outside proposed, beside those of the sampler.
alter table experiments add column proposer_id text references users; -- null: the sampler
