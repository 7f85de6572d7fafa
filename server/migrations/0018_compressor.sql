-- What a general compressor makes of a text, beside what counting models do: not in the manifest, since another version of it may do better.
alter table datasets
  add column compressor_bits double precision check (compressor_bits > 0); -- per byte of val, train known; null: not measured
