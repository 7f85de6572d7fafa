// What a module is to admission: its sections as data, function bodies as ranges of the original bytes.

export type ValueType = 'i32' | 'i64' | 'f32' | 'f64' | 'v128'

export interface FunctionType {
  readonly params: readonly ValueType[]
  readonly results: readonly ValueType[]
}

export interface Limits {
  readonly min: number
  readonly max: number | undefined
}

export interface Global {
  readonly type: ValueType
  readonly mutable: boolean
  readonly init: Uint8Array // the constant instruction, without its end
}

export type ExportKind = 'function' | 'table' | 'memory' | 'global'

export interface Export {
  readonly name: string
  readonly kind: ExportKind
  readonly index: number
}

export interface ElementSegment {
  readonly offset: Uint8Array // the constant instruction, without its end
  readonly functions: readonly number[]
}

export interface DataSegment {
  readonly offset: Uint8Array
  readonly bytes: Uint8Array
}

export interface FunctionBody {
  readonly locals: readonly (readonly [count: number, type: ValueType])[] // without the parameters
  readonly start: number // byte offsets of the instructions in the module
  readonly end: number
}

export interface WasmModule {
  readonly bytes: Uint8Array
  readonly unread: ReadonlySet<number> // ids of sections that were refused, whose parts are missing here
  readonly types: readonly FunctionType[]
  readonly functions: readonly number[] // the type of each
  readonly table: Limits | undefined
  readonly memory: Limits | undefined
  readonly globals: readonly Global[]
  readonly exports: readonly Export[]
  readonly elements: readonly ElementSegment[]
  readonly bodies: readonly FunctionBody[]
  readonly data: readonly DataSegment[]
}

export const VALUE_TYPES: ReadonlyMap<number, ValueType> = new Map([
  [0x7f, 'i32'],
  [0x7e, 'i64'],
  [0x7d, 'f32'],
  [0x7c, 'f64'],
  [0x7b, 'v128'],
])

export const VALUE_CODES: Readonly<Record<ValueType, number>> = {
  i32: 0x7f,
  i64: 0x7e,
  f32: 0x7d,
  f64: 0x7c,
  v128: 0x7b,
}

export const EXPORT_KINDS: readonly ExportKind[] = ['function', 'table', 'memory', 'global']

/** Item `index` of a list that the module's own indices point into. Validation ran before: a miss is a bug of ours. */
export function item<T>(list: readonly T[], index: number): T {
  const value = list[index]
  if (value === undefined)
    throw new Error(`index ${index} of a validated module points outside its list of ${list.length}`)
  return value
}

export const functionType = (module: WasmModule, index: number): FunctionType =>
  item(module.types, item(module.functions, index))

/** Two function types are one when they read the same. */
export const typeText = ({ params, results }: FunctionType): string =>
  `${params.join(' ')} -> ${results.join(' ')}`
