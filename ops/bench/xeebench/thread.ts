import { type Bench, benchOf, type Contestant, fuelToFind } from './search.ts'
import { readTable } from './table.ts'

let bench: Promise<Bench> | undefined

/** What a thread of the benchmark does: one simulated campaign on the table. */
export async function search(task: Contestant & { readonly within: number }): Promise<number> {
  bench ??= readTable().then(benchOf)
  return fuelToFind(await bench, task, task.within)
}
