// The cart-pole of Barto, Sutton and Anderson (1983) with the constants that are usual since: gravity 9.8, cart 1 kg, pole
// 0.1 kg and 2 x 0.5 m, force 10 N, steps of 0.02 s by Euler's rule. A lane is one such system; all of it is f64.

export const STEPS_MAX: u32 = 200

const TOTAL_MASS: f64 = 1.1
const POLE_MASS: f64 = 0.1
const HALF_LENGTH: f64 = 0.5
const POLE_MOMENT: f64 = 0.05 // mass of the pole times half its length
const FORCE: f64 = 10
const GRAVITY: f64 = 9.8
const STEP: f64 = 0.02
const POSITION_MAX: f64 = 2.4
const ANGLE_MAX: f64 = 0.20943951023931953 // 12 degrees
// Each component of a first state is uniform in [-0.05, 0.05).
const START: f64 = 0.05

import { next } from '../lib/rng'

@unmanaged
export class Lane {
  position: f64
  velocity: f64
  angle: f64 // of the pole from upright
  spin: f64 // its rate
  steps: u32 // played; the return of the episode
  over: u32
}

/** A new episode, from four draws of the stream at `random`. */
export function reset(lane: Lane, random: usize): void {
  lane.position = start(random)
  lane.velocity = start(random)
  lane.angle = start(random)
  lane.spin = start(random)
  lane.steps = 0
  lane.over = 0
}

/**
 * One step with the force to the right or to the left; an episode that is over stays as it is. What it computes is then thrown
 * away: the plan of a run counts on every step's costing the same.
 */
export function push(lane: Lane, right: bool): void {
  const alive = lane.over == 0
  const force = right ? FORCE : -FORCE
  const s = sine(lane.angle)
  const c = cosine(lane.angle)
  const pull = (force + POLE_MOMENT * lane.spin * lane.spin * s) / TOTAL_MASS
  const torque = (GRAVITY * s - c * pull) / (HALF_LENGTH * (4.0 / 3.0 - (POLE_MASS * c * c) / TOTAL_MASS))
  const acceleration = pull - (POLE_MOMENT * torque * c) / TOTAL_MASS
  const position = lane.position + STEP * lane.velocity
  const angle = lane.angle + STEP * lane.spin
  lane.velocity = select(lane.velocity + STEP * acceleration, lane.velocity, alive)
  lane.spin = select(lane.spin + STEP * torque, lane.spin, alive)
  lane.position = select(position, lane.position, alive)
  lane.angle = select(angle, lane.angle, alive)
  lane.steps += u32(alive)
  const outside = u32(abs<f64>(lane.position) > POSITION_MAX) | u32(abs<f64>(lane.angle) > ANGLE_MAX)
  lane.over |= outside | u32(lane.steps == STEPS_MAX)
}

/** Writes the four components as f32. */
export function observe(lane: Lane, out: usize): void {
  store<f32>(out, f32(lane.position))
  store<f32>(out, f32(lane.velocity), 4)
  store<f32>(out, f32(lane.angle), 8)
  store<f32>(out, f32(lane.spin), 12)
}

function start(random: usize): f64 {
  return f64(next(random) >> 11) * (1.0 / 9007199254740992.0) * (2 * START) - START
}

/** sin x by its Taylor polynomial of degree 13: error below 1e-16 for |x| < 0.5; an episode is over at 0.21. */
export function sine(x: f64): f64 {
  const z = x * x
  let p: f64 = 1.6059043836821613e-10
  p = p * z - 2.505210838544172e-8
  p = p * z + 2.7557319223985893e-6
  p = p * z - 1.984126984126984e-4
  p = p * z + 8.333333333333333e-3
  p = p * z - 0.16666666666666666
  return x * (p * z + 1)
}

/** cos x by its Taylor polynomial of degree 14. */
export function cosine(x: f64): f64 {
  const z = x * x
  let p: f64 = -1.1470745597729725e-11
  p = p * z + 2.08767569878681e-9
  p = p * z - 2.755731922398589e-7
  p = p * z + 2.48015873015873e-5
  p = p * z - 1.388888888888889e-3
  p = p * z + 4.1666666666666664e-2
  p = p * z - 0.5
  return p * z + 1
}
