import { gunzipSync } from 'node:zlib'

// IDX, the format of the MNIST database (http://yann.lecun.com/exdb/mnist/): two zero bytes, the type of an element (8:
// unsigned bytes), the number of dimensions, their sizes as big-endian u32, the elements.

/** Grey images with a label each. */
export interface LabelledImages {
  readonly rows: number
  readonly columns: number
  readonly labels: Uint8Array
  readonly pixels: Uint8Array // count × rows × columns
}

// Kernels of this repository read no other sizes, and what they train on has to fit into 256 MiB beside their weights.
export const SIDE_MIN = 4
export const SIDE_MAX = 32
export const CLASSES_MAX = 64
export const IMAGE_BYTES_MAX = 96 * 1024 * 1024

const HINTS = {
  idx_gzip: 'The file is cut or damaged: fetch it again.',
  idx_magic: 'Images begin with the bytes 00 00 08 03, labels with 00 00 08 01: are the files exchanged?',
  idx_length: 'The file is cut, or has something behind its end: fetch it again.',
  idx_oversize: `Images have ${SIDE_MIN} to ${SIDE_MAX} pixels a side, and a file at most ${IMAGE_BYTES_MAX / 2 ** 20} MiB.`,
  idx_counts_differ: 'Each image has one label, in the same order.',
  idx_label_range: `Labels count from 0, below ${CLASSES_MAX}, and each class occurs among the training images.`,
  idx_sizes_differ: 'All images of a data set have the same size.',
  idx_too_few: 'Ask for fewer validation images.',
} as const

/** Why files are no data set of images. */
export class IdxError extends Error {
  readonly code: keyof typeof HINTS
  readonly hint: string

  constructor(code: keyof typeof HINTS, message: string) {
    super(message)
    this.code = code
    this.hint = HINTS[code]
  }
}

const IMAGES_MAGIC = 0x00000803
const LABELS_MAGIC = 0x00000801

/** A file to read; the name is for messages. */
export interface NamedBytes {
  readonly name: string
  readonly bytes: Uint8Array
}

/**
 * Reads an IDX file of images and the one of their labels, either of them gzipped or not.
 * @throws IdxError naming the file
 */
export function readLabelledImages(images: NamedBytes, labels: NamedBytes): LabelledImages {
  const { sizes, elements } = readIdx(images, IMAGES_MAGIC)
  const [count = 0, rows = 0, columns = 0] = sizes
  const sides = [rows, columns]
  if (sides.some(side => side < SIDE_MIN || side > SIDE_MAX))
    throw new IdxError('idx_oversize', `${images.name}: images of ${rows} × ${columns} pixels`)
  const named = readIdx(labels, LABELS_MAGIC)
  if (named.elements.length !== count) {
    const counts = `${images.name} has ${count} images, ${labels.name} ${named.elements.length} labels`
    throw new IdxError('idx_counts_differ', counts)
  }
  const wrong = named.elements.find(label => label >= CLASSES_MAX)
  if (wrong !== undefined) throw new IdxError('idx_label_range', `${labels.name}: the label ${wrong}`)
  return { rows, columns, pixels: elements, labels: named.elements }
}

/** The IDX file of the labels and, behind it, the IDX file of their images: one split, as the kernels read it. */
export function encodeSplit({ rows, columns, pixels, labels }: LabelledImages): Uint8Array {
  const count = labels.length
  return Buffer.concat([
    header(LABELS_MAGIC, [count]),
    labels,
    header(IMAGES_MAGIC, [count, rows, columns]),
    pixels,
  ])
}

function header(magic: number, sizes: readonly number[]): Buffer {
  const bytes = Buffer.alloc(4 + 4 * sizes.length)
  bytes.writeUInt32BE(magic)
  sizes.forEach((size, i) => {
    bytes.writeUInt32BE(size, 4 + 4 * i)
  })
  return bytes
}

function readIdx(
  { name, bytes }: NamedBytes,
  magic: number,
): { sizes: readonly number[]; elements: Uint8Array } {
  const plain = inflate({ name, bytes })
  if (plain.length > IMAGE_BYTES_MAX) throw new IdxError('idx_oversize', `${name}: ${plain.length} bytes`)
  if (plain.length < 4 || plain.readUInt32BE() !== magic) {
    const found = plain.subarray(0, 4).toString('hex')
    throw new IdxError('idx_magic', `${name}: begins with ${found || 'nothing'}`)
  }
  const dimensions = magic & 0xff
  const begin = 4 + 4 * dimensions
  if (plain.length < begin) throw new IdxError('idx_length', `${name}: ends in its header`)
  const sizes = Array.from({ length: dimensions }, (_, i) => plain.readUInt32BE(4 + 4 * i))
  const expected = sizes.reduce((product, size) => product * size, 1) // at most 2^96: not exact, but not equal either
  if (expected === 0 || plain.length - begin !== expected) {
    const length = `${name}: ${sizes.join(' × ')} bytes by its header, ${plain.length - begin} behind it`
    throw new IdxError('idx_length', length)
  }
  return { sizes, elements: new Uint8Array(plain.subarray(begin)) }
}

const GZIP = [0x1f, 0x8b]

function inflate({ name, bytes }: NamedBytes): Buffer {
  if (bytes[0] !== GZIP[0] || bytes[1] !== GZIP[1]) return Buffer.from(bytes)
  try {
    return gunzipSync(bytes, { maxOutputLength: IMAGE_BYTES_MAX + 1 })
  } catch (error) {
    if (error instanceof RangeError) throw new IdxError('idx_oversize', `${name}: more than that, inflated`)
    if (error instanceof Error && 'code' in error) throw new IdxError('idx_gzip', `${name}: ${error.message}`)
    throw error
  }
}
