import { readdir } from 'node:fs/promises'
import { join } from 'node:path'
import type { Random } from './random.ts'
import type { Answer, Run } from './truth.ts'

/** What a host knows when it has to answer. */
export interface Situation {
  readonly run: Run
  readonly truth: Answer // what it would compute
  readonly self: {
    readonly person: string // who is behind the host, whatever it is enrolled as
    readonly rate: number // of lies
    readonly trait: number // in [0, 1), drawn once
    readonly reports: number // sent since it was enrolled
    readonly exclusions: number // of the person so far
    readonly lastAnswer: Answer | undefined
  }
  readonly published: Answer | undefined // somebody's answer that is public
  readonly random: Random
  readonly serial: number // differs each time
}

/** How a host behaves; one file each in strategies/. A new one is found by being there. */
export interface Strategy {
  readonly name: string
  /** Dishonest ones share the forgers' part of the hosts equally; colluding ones have one of their own. */
  readonly kind: 'honest' | 'flaky' | 'dishonest' | 'colluding'
  /** As how many owners a person enrols; default one. */
  readonly identities?: number
  answer(situation: Situation): Answer
}

/** The strategies of these names, or all; throws for a name that no file has. */
export async function loadStrategies(names?: readonly string[]): Promise<Strategy[]> {
  const folder = join(import.meta.dirname, 'strategies')
  const files = (await readdir(folder)).filter(file => file.endsWith('.ts')).sort()
  const all: Strategy[] = []
  for (const file of files) {
    const module: { strategy: Strategy } = await import(join(folder, file))
    all.push(module.strategy)
  }
  const missing = names?.find(name => !all.some(strategy => strategy.name === name))
  if (missing !== undefined)
    throw new Error(`no strategy ${missing}: there are ${all.map(({ name }) => name).join(', ')}`)
  return names === undefined ? all : all.filter(strategy => names.includes(strategy.name))
}
