// The job: what to do and how long; and reading a recipe, member by member. The first member that is missing or out of its
// range is remembered: a kernel reads everything and then asks once.

import { isComplete, member, numberAt, textIs } from './json'

const FUEL_MAX: f64 = 9e15
export const UPDATES_MAX: f64 = 1e6
const SEED_MAX: f64 = 281474976710655

/** A run with rungs is evaluated at the end of four prefixes, the last of which is the whole run. */
export const RUNGS: u32 = 4
export const LAST_RUNG: u32 = RUNGS - 1

@unmanaged
class Job {
  evaluate: bool
  seed: u64
  fuel: u64 // 0 if the limit is a number of updates
  updates: u32
  rungs: bool // evaluated at the end of each rung, not only at the run's
  until: u32 // the rung with which it ends
}

export const job = changetype<Job>(memory.data(offsetof<Job>(), 16))

let fault: string = '' // the first member that was missing or out of range
let recipe: usize = 0
let end: usize = 0

/** Fills `job` from the text in front of `textEnd`, and makes its recipe the one that the functions below read. */
export function readJob(text: usize, textEnd: usize): void {
  fault = ''
  end = textEnd
  if (!isComplete(text, end)) blame('its end')
  const task = member(text, end, 'task')
  job.evaluate = textIs(task, end, 'evaluate')
  if (!job.evaluate && !textIs(task, end, 'train')) blame('task')
  job.seed = u64(integerOf(text, 'seed', 0, SEED_MAX))
  readLimit(member(text, end, 'limit'))
  readRungs(member(text, end, 'rungs'))
  recipe = member(text, end, 'recipe')
}

/** The name of the first bad member, or an empty string. */
export function jobFault(): string {
  return fault
}

/** Says that a member is bad; only the first one counts. */
export function blame(name: string): void {
  if (fault.length == 0) fault = name
}

/** A number of the recipe. */
export function real(name: string, minimum: f64, maximum: f64): f64 {
  return realOf(recipe, name, minimum, maximum)
}

/** A whole number of the recipe. */
export function integer(name: string, minimum: u32, maximum: u32): u32 {
  return u32(integerOf(recipe, name, f64(minimum), f64(maximum)))
}

/** Which of the words, separated by commas, a text of the recipe is: 0 for the first. */
export function choice(name: string, words: string): u32 {
  const at = member(recipe, end, name)
  let index: u32 = 0
  let from = 0
  for (let i = 0; i <= words.length; i++) {
    if (i < words.length && words.charCodeAt(i) != 0x2c) continue
    if (wordIs(at, words, from, i)) return index
    index += 1
    from = i + 1
  }
  blame(name)
  return 0
}

/** Where the characters of a text of the recipe begin; 0, and the blame, if it is none. The text ends within the job. */
export function textAt(name: string): usize {
  const at = member(recipe, end, name)
  if (at != 0 && load<u8>(at) == 0x22) return at + 1
  blame(name)
  return 0
}

function wordIs(at: usize, words: string, from: i32, to: i32): bool {
  if (at == 0 || at + usize(to - from) + 2 > end || load<u8>(at) != 0x22) return false
  for (let i = from; i < to; i++) if (i32(load<u8>(at + 1 + usize(i - from))) != words.charCodeAt(i)) return false
  return load<u8>(at + 1 + usize(to - from)) == 0x22
}

function readLimit(limit: usize): void {
  job.fuel = 0
  job.updates = 0
  if (member(limit, end, 'fuel') != 0) job.fuel = u64(integerOf(limit, 'fuel', 1, FUEL_MAX))
  else if (member(limit, end, 'updates') != 0) job.updates = u32(integerOf(limit, 'updates', 1, UPDATES_MAX))
  else blame('limit')
}

// `until` is one digit and read as one byte: runs that differ in it only spend the same fuel here, and so plan alike.
function readRungs(rungs: usize): void {
  job.rungs = rungs != 0
  job.until = LAST_RUNG
  if (!job.rungs) return
  if (job.evaluate || u32(integerOf(rungs, 'of', 1, 9)) != RUNGS) blame('rungs')
  const at = member(rungs, end, 'until')
  const digit = at != 0 ? u32(load<u8>(at)) - 0x30 : RUNGS
  if (digit < RUNGS) job.until = digit
  else blame('rungs')
}

function realOf(object: usize, name: string, minimum: f64, maximum: f64): f64 {
  const value = numberAt(member(object, end, name), end)
  if (value >= minimum && value <= maximum) return value
  blame(name)
  return minimum
}

function integerOf(object: usize, name: string, minimum: f64, maximum: f64): f64 {
  const value = realOf(object, name, minimum, maximum)
  if (value != floor(value)) blame(name)
  return value
}
