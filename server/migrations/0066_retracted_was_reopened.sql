-- Who retracts a row opens its unit again or overturns it; from now on the next row relies on it.
update work_units w set reopened_at = c.retracted_at from corpus c
  where c.work_unit_id = w.id and c.retracted_at is not null and w.reopened_at is null;
