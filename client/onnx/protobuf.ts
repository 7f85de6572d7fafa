/**
 * Writes the protobuf wire format (https://protobuf.dev/programming-guides/encoding/), as far as an ONNX model needs it. A
 * field whose value is the default is written all the same: readers do not mind.
 */
export class ProtobufWriter {
  readonly #parts: Uint8Array[] = []

  /** An int32, int64, bool or enum field. Negative numbers take ten bytes, as the format wants. */
  int(field: number, value: number | bigint): this {
    this.#varint((BigInt(field) << 3n) | 0n)
    this.#varint(BigInt.asUintN(64, BigInt(value)))
    return this
  }

  /** A float field. */
  float(field: number, value: number): this {
    this.#varint((BigInt(field) << 3n) | 5n)
    const bytes = new Uint8Array(4)
    new DataView(bytes.buffer).setFloat32(0, value, true)
    this.#parts.push(bytes)
    return this
  }

  text(field: number, value: string): this {
    return this.bytes(field, new TextEncoder().encode(value))
  }

  message(field: number, value: ProtobufWriter): this {
    return this.bytes(field, value.finish())
  }

  bytes(field: number, value: Uint8Array): this {
    this.#varint((BigInt(field) << 3n) | 2n)
    this.#varint(BigInt(value.length))
    this.#parts.push(value)
    return this
  }

  /** All that was written, in order. */
  finish(): Uint8Array<ArrayBuffer> {
    const whole = new Uint8Array(this.#parts.reduce((sum, part) => sum + part.length, 0))
    let at = 0
    for (const part of this.#parts) {
      whole.set(part, at)
      at += part.length
    }
    return whole
  }

  #varint(value: bigint): void {
    const bytes: number[] = []
    for (let rest = value; ; rest >>= 7n) {
      if (rest < 128n) {
        bytes.push(Number(rest))
        break
      }
      bytes.push(Number(rest & 127n) | 128)
    }
    this.#parts.push(Uint8Array.from(bytes))
  }
}
