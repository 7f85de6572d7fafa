import { setting } from './format.ts'

type Recipe = Readonly<Record<string, unknown>>

/** `lr 0.001 → 0.004 · width 32 → 64`: what differs between two recipes; empty where nothing does. */
export const changesOf = (from: Recipe, to: Recipe): string =>
  [...new Set([...Object.keys(from), ...Object.keys(to)])]
    .filter(name => from[name] !== to[name])
    .sort()
    .map(name => `${name} ${settingOf(from[name])} → ${settingOf(to[name])}`)
    .join(' · ')

const settingOf = (value: unknown): string => (value === undefined ? '—' : setting(value))
