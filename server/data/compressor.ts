import { promisify } from 'node:util'
import { constants, zstdCompress } from 'node:zlib'

const compress = promisify(zstdCompress)

// Its strongest; 128 MiB, so that no part of any train split is out of reach.
const LEVEL = 22
const WINDOW_LOG = 27

/**
 * Bits per byte of `val` as zstd compresses it with the whole of `train` as its dictionary, to six decimals, frame included:
 * what a general compressor knows of the text. Of those in Node's zlib the only one that takes a dictionary of this size; brotli can be
 * told of `train` only by compressing both (ops/LOG.md compares them). The last digits may differ between versions of zstd.
 */
export async function compressorBits(train: Uint8Array, val: Uint8Array): Promise<number> {
  const { byteLength } = await compress(val, {
    dictionary: train,
    params: { [constants.ZSTD_c_compressionLevel]: LEVEL, [constants.ZSTD_c_windowLog]: WINDOW_LOG },
  })
  return Math.round(((8 * byteLength) / val.length) * 1e6) / 1e6
}
