/** A split of labelled images as the importer writes it: an IDX file of labels and behind it the IDX file of their images. */
export interface LabelledImages {
  readonly count: number
  readonly labels: Uint8Array
  /** Row by row, image by image. */
  readonly pixels: Uint8Array
}

const LABELS_HEADER_BYTES = 8
const IMAGES_HEADER_BYTES = 16

/** The parts of such a file; what is wrong with one, the kernel has said before. */
export function readIdx(file: Uint8Array): LabelledImages {
  const count = new DataView(file.buffer, file.byteOffset).getUint32(4)
  const imagesAt = LABELS_HEADER_BYTES + count
  return {
    count,
    labels: file.subarray(LABELS_HEADER_BYTES, imagesAt),
    pixels: file.subarray(imagesAt + IMAGES_HEADER_BYTES),
  }
}
