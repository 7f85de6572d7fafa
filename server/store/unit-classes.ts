import type { EngineClass } from '#protocol/engine.ts'
import type { Sha256, WorkUnitId } from '#protocol/units.ts'
import type { Trx } from './database.ts'
import { column, execute, recordset } from './rows.ts'

/** A work unit as one of the classes that it may be of. */
export interface UnitClass {
  readonly engineClass: EngineClass
  readonly runKey: Sha256
  readonly fuelMax: number
  readonly priceMilli: number
}

/** Notes what units are that may be of several classes. */
export async function insertUnitClasses(
  trx: Trx,
  classes: readonly (UnitClass & { readonly workUnitId: WorkUnitId })[],
): Promise<void> {
  if (classes.length > 0) await execute(trx, INSERT_CLASSES, { rows: recordset(classes) })
}

/** Locked units that may be of several classes are of one from now on. */
export const bindWorkUnits = (
  trx: Trx,
  bound: readonly { readonly id: WorkUnitId; readonly engineClass: EngineClass }[],
): Promise<number> =>
  bound.length === 0
    ? Promise.resolve(0)
    : execute(trx, BIND, {
        ids: column(bound, unit => unit.id),
        classes: column(bound, unit => unit.engineClass),
      })

const INSERT_CLASSES = `
  insert into unit_classes (work_unit_id, engine_class, run_key, fuel_max, price_milli)
  select "workUnitId", "engineClass", "runKey", "fuelMax", "priceMilli"
  from json_to_recordset(cast(:rows as json)) as x("workUnitId" text, "engineClass" text, "runKey" text,
    "fuelMax" bigint, "priceMilli" bigint)`

const BIND = `
  update work_units w set engine_class = c.engine_class, run_key = c.run_key, fuel_max = c.fuel_max,
    price_milli = c.price_milli, engines = null
  from unnest(:ids::text[], :classes::text[]) as x (id, engine_class)
  join unit_classes c on c.work_unit_id = x.id and c.engine_class = x.engine_class
  where w.id = x.id and w.engines is not null`
