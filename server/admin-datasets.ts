import { readFile, stat } from 'node:fs/promises'
import { basename, join } from 'node:path'
import { z } from 'zod'
import { DatasetBody, type DatasetManifest } from '#protocol/dataset.ts'
import { Versioned } from '#protocol/units.ts'
import { IdxError, IMAGE_BYTES_MAX, type NamedBytes } from './data/idx.ts'
import { type ImportedDataset, importIdx } from './data/import.ts'
import { OperatorError } from './operator.ts'

/** What `xeenet dataset import` is told. */
export interface ImportWish {
  readonly directory: string
  readonly name: string // name@version
  readonly source: string // package@version
  readonly licence: string
  readonly val: number // images
}

const Facts = DatasetBody.pick({ name: true, version: true, source: true, licence: true })

/**
 * Reads the four IDX files of a directory that is laid out as the MNIST database is, gzipped or not, and makes a data
 * set of them. Throws `OperatorError` or `IdxError`, each with a code and a hint.
 */
export async function readDirectory(wish: ImportWish): Promise<ImportedDataset> {
  const facts = factsOf(wish)
  const file = (name: string): Promise<NamedBytes> => readEither(wish.directory, name)
  const train = [await file('train-images-idx3-ubyte'), await file('train-labels-idx1-ubyte')] as const
  const test = [await file('t10k-images-idx3-ubyte'), await file('t10k-labels-idx1-ubyte')] as const
  return importIdx(facts, { train, test, val: wish.val })
}

/** A data set in one line for people. */
export const datasetLine = ({ name, version, splits, sha256 }: DatasetManifest): string =>
  `${name}@${version}  ${splits.map(split => `${split.name} ${split.bytes} bytes`).join(', ') || 'no files'}  ${sha256}`

function factsOf({ name, source, licence }: ImportWish): z.infer<typeof Facts> {
  const versioned = Versioned.safeParse(name)
  const [stem = '', version = ''] = name.split('@')
  const at = source.lastIndexOf('@')
  const facts = Facts.safeParse({
    ...{ name: stem, version: Number(version), licence: licence.trim() },
    source: { package: source.slice(0, Math.max(0, at)), version: source.slice(at + 1) },
  })
  if (versioned.success && at > 0 && facts.success && licence.trim() !== '') return facts.data
  const reason = facts.success ? `--name ${name}, --source ${source}` : z.prettifyError(facts.error)
  const hint = 'Name and source look like fashion-mnist@1; the licence is a line of at most 300 characters.'
  throw new OperatorError('dataset_facts_invalid', reason, hint)
}

/** The file of this name, or its gzip. */
async function readEither(directory: string, name: string): Promise<NamedBytes> {
  for (const path of [join(directory, name), join(directory, `${name}.gz`)]) {
    const found = await stat(path).catch(() => undefined)
    if (found === undefined) continue
    if (found.size > IMAGE_BYTES_MAX)
      throw new IdxError('idx_oversize', `${basename(path)}: ${found.size} bytes`)
    return { name: basename(path), bytes: await readFile(path) }
  }
  throw new OperatorError(
    'dataset_file_missing',
    `${directory} has neither ${name} nor ${name}.gz`,
    'The directory holds the four files of the MNIST layout: train-images-idx3-ubyte, train-labels-idx1-ubyte, and both of t10k.',
  )
}

/** A file that the operator names. @throws OperatorError when it is not there */
export async function readText(path: string): Promise<Uint8Array> {
  try {
    return new Uint8Array(await readFile(path))
  } catch (error) {
    const reason = error instanceof Error ? error.message : String(error)
    throw new OperatorError('file_unreadable', reason, 'Name a file that this user may read.')
  }
}
