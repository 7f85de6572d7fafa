/**
 * An element that the bounds of a loop promise. Of one kind of array only: with several, V8 makes each call ten times as
 * slow, and these are the innermost loops.
 */
export const at = (values: Float64Array, i: number): number => values[i] ?? Number.NaN

/** (n,) of what `of` gives for 0…n−1; the library's own ways to map short typed arrays take ten times as long. */
export function vector(n: number, of: (i: number) => number): Float64Array {
  const values = new Float64Array(n)
  for (let i = 0; i < n; i++) values[i] = of(i)
  return values
}

/**
 * The lower Cholesky factor L of a symmetric positive definite matrix (n, n), row-major: L·Lᵀ = A. Undefined when a
 * pivot is not above 1e-14, that is, when A is not positive definite in floating point.
 */
export function cholesky(a: Float64Array, n: number): Float64Array | undefined {
  const l = new Float64Array(n * n)
  for (let i = 0; i < n; i++) {
    for (let j = 0; j <= i; j++) {
      let sum = at(a, i * n + j)
      for (let k = 0, p = i * n, q = j * n; k < j; k++) sum -= at(l, p + k) * at(l, q + k)
      if (i !== j) {
        l[i * n + j] = sum / at(l, j * n + j)
        continue
      }
      if (!(sum > PIVOT_MIN)) return undefined
      l[i * n + i] = Math.sqrt(sum)
    }
  }
  return l
}

const PIVOT_MIN = 1e-14

/** x with L·x = b, L lower triangular (n, n). */
export function solveLower(l: Float64Array, b: Float64Array): Float64Array {
  const n = b.length
  const x = new Float64Array(n)
  for (let i = 0; i < n; i++) {
    let sum = at(b, i)
    for (let k = 0, p = i * n; k < i; k++) sum -= at(l, p + k) * at(x, k)
    x[i] = sum / at(l, i * n + i)
  }
  return x
}

/** x with Lᵀ·x = b, L lower triangular (n, n). */
export function solveUpper(l: Float64Array, b: Float64Array): Float64Array {
  const n = b.length
  const x = Float64Array.from(b)
  for (let i = n - 1; i >= 0; i--) {
    const xi = at(x, i) / at(l, i * n + i)
    x[i] = xi
    for (let k = 0, p = i * n; k < i; k++) x[k] = at(x, k) - at(l, p + k) * xi
  }
  return x
}

/** The Euclidean length of (n,). */
export function lengthOf(x: Float64Array): number {
  let sum = 0
  for (let i = 0; i < x.length; i++) sum += at(x, i) ** 2
  return Math.sqrt(sum)
}

/** L·x, L lower triangular (n, n). */
export function timesLower(l: Float64Array, x: Float64Array): Float64Array {
  const n = x.length
  return vector(n, i => {
    let sum = 0
    for (let k = 0; k <= i; k++) sum += at(l, i * n + k) * at(x, k)
    return sum
  })
}
