import { globSync, readFileSync } from 'node:fs'
import { dirname, join, relative } from 'node:path'
import { describe, expect, test } from 'vitest'

const root = join(import.meta.dirname, '..')

/** What each folder may import: the table of the README. Packages are named, folders end in a slash. */
const MAY_IMPORT: Readonly<Record<string, readonly string[]>> = {
  'server/protocol/': ['server/protocol/', 'zod', 'canonicalize', 'yaml'],
  'server/domain/': ['server/domain/', 'server/protocol/', 'zod', 'node:crypto'],
  'server/search/': ['server/search/', 'server/domain/', 'server/protocol/'],
  'server/kernels/': ['server/kernels/', 'server/protocol/', '*'],
  'server/data/': ['server/data/', 'server/search/', 'server/protocol/', '*'],
  'server/postgres/': ['server/postgres/', 'server/protocol/', '*'],
  'server/store/': ['server/store/', 'server/domain/', 'server/protocol/', '*'],
  'server/report/': ['server/report/', 'server/protocol/', 'd3-scale'],
  'server/jobs/': [
    'server/jobs/',
    'server/store/',
    'server/domain/',
    'server/search/',
    'server/kernels/',
    'server/protocol/',
    'validators/',
    '*',
  ],
  'server/operate/': [
    'server/operate/',
    'server/jobs/',
    'server/store/',
    'server/domain/',
    'server/protocol/',
    '*',
  ],
  'server/http/': [
    'server/http/',
    'server/operate/',
    'server/report/',
    'server/store/',
    'server/domain/',
    'server/protocol/',
    '*',
  ],
  'client/runtime/': [
    'client/runtime/',
    'server/protocol/',
    'zod',
    'altcha-lib',
    'altcha-lib/algorithms/web/pbkdf2',
  ],
  'client/onnx/': ['client/onnx/', 'client/runtime/', 'server/protocol/', 'zod', 'onnxruntime-common'],
  'client/node/': ['client/node/', 'client/onnx/', 'client/runtime/', 'server/protocol/', '*'],
  'client/web/': ['client/web/', 'client/onnx/', 'client/runtime/', 'server/protocol/', '*'],
  'validators/': ['validators/', 'server/protocol/', 'zod'],
}

const ALIASES: Readonly<Record<string, string>> = {
  '#protocol/': 'server/protocol/',
  '#domain/': 'server/domain/',
  '#search/': 'server/search/',
  '#kernels/': 'server/kernels/',
  '#report/': 'server/report/',
  '#store/': 'server/store/',
  '#jobs/': 'server/jobs/',
  '#operate/': 'server/operate/',
  '#http/': 'server/http/',
  '#server/': 'server/',
  '#validators/': 'validators/',
  '#runtime/': 'client/runtime/',
  '#client/': 'client/',
  '#ops/': 'ops/',
  '#support/': 'test/support/',
}

const PURE = [
  'server/domain/',
  'server/search/',
  'server/report/',
  'validators/',
  'client/runtime/',
  'client/onnx/',
]
const BANNED: readonly (readonly [RegExp, string])[] = [
  [/\bDate\.now\b/, 'Date.now'],
  [/\bMath\.random\b/, 'Math.random'],
  [/\bnew Date\(\)/, 'new Date()'],
]

const FILE_LINES_MAX = 300
const FUNCTION_LINES_MAX = 60

const files = globSync('{server,client,validators,ops,test,assembly}/**/*.{ts,tsx}', { cwd: root })
  .map(file => file.replaceAll('\\', '/'))
  .sort()
const source = (file: string): string => readFileSync(join(root, file), 'utf8')
/** The same without templates and comments: SQL and English have words of their own. Lines keep their numbers. */
const codeOf = (file: string): string =>
  source(file)
    .replaceAll(/`(?:\\.|[^`\\])*`/g, template => '\n'.repeat(template.split('\n').length - 1))
    .replaceAll(/ \/\/ .*$/gm, '')

/** A module specifier as a path below the root, or the package's name. */
function target(file: string, specifier: string): string {
  if (specifier.startsWith('.'))
    return relative(root, join(root, dirname(file), specifier)).replaceAll('\\', '/')
  const alias = Object.keys(ALIASES).find(prefix => specifier.startsWith(prefix))
  return alias === undefined ? specifier : `${ALIASES[alias]}${specifier.slice(alias.length)}`
}

function imports(file: string): string[] {
  const found = source(file).matchAll(
    /^\s*(?:import|export)\b[^'"]*?from\s+['"]([^'"]+)['"]|\bimport\(\s*['"]([^'"]+)['"]\s*\)|^import\s+['"]([^'"]+)['"]/gm,
  )
  return [...found].map(match => target(file, match[1] ?? match[2] ?? match[3] ?? ''))
}

const isOurs = (path: string): boolean => /^(server|client|validators|ops|test|assembly)\//.test(path)

function allowed(file: string, imported: string): boolean {
  const folder = Object.keys(MAY_IMPORT).find(prefix => file.startsWith(prefix))
  if (folder === undefined) return true
  const list = MAY_IMPORT[folder] ?? []
  if (isOurs(imported)) return list.some(entry => entry.endsWith('/') && imported.startsWith(entry))
  return list.includes('*') || list.includes(imported)
}

/** Function declarations and arrow functions whose body starts on their own line: name and length in lines. */
function longFunctions(file: string): string[] {
  const lines = source(file).split('\n')
  const long: string[] = []
  lines.forEach((line, start) => {
    const opens = /^(\s*)(?:export )?(?:async )?(?:function\*? |const )([\w$]+).*[{(]$/.exec(line)
    if (!opens || !/function|=>/.test(line)) return
    const end = lines.findIndex((l, i) => i > start && l.startsWith(`${opens[1]}}`))
    if (end - start + 1 > FUNCTION_LINES_MAX)
      long.push(`${file}:${start + 1} ${opens[2]} (${end - start + 1} lines)`)
  })
  return long
}

describe('the repository keeps its own rules', () => {
  test('there are files to look at in every folder of the map', () => {
    for (const folder of Object.keys(MAY_IMPORT)) {
      expect(files.filter(file => file.startsWith(folder)).length, folder).toBeGreaterThan(0)
    }
    expect(files.flatMap(imports).length).toBeGreaterThan(100)
  })

  test('migrations are numbered one by one', () => {
    const numbers = globSync('server/migrations/*.sql', { cwd: root })
      .map(file => Number(/\/(\d{4})_\w+\.sql$/.exec(file.replaceAll('\\', '/'))?.[1]))
      .sort((a, b) => a - b)
    expect(numbers).toEqual(numbers.map((_, i) => i + 1))
    expect(numbers.length).toBeGreaterThan(10)
  })

  test('no merge is left half done', () => {
    const papers = [
      ...files,
      ...globSync('{*.md,*.json,{server,client,ops,assembly}/**/*.{md,sql,yaml,css}}', { cwd: root }),
    ]
    expect(papers).toContain('README.md')
    expect(papers.filter(file => /^(<{7}|>{7}) /m.test(source(file)))).toEqual([])
  })

  test('imports follow the map', () => {
    const wrong = files.flatMap(file =>
      imports(file)
        .filter(imported => !allowed(file, imported))
        .map(imported => `${file} imports ${imported}`),
    )
    expect(wrong).toEqual([])
  })

  test('nothing imports ops or test but themselves', () => {
    const wrong = files
      .filter(file => !file.startsWith('test/') && !file.startsWith('ops/'))
      .flatMap(file =>
        imports(file)
          .filter(to => /^(ops|test)\//.test(to))
          .map(to => `${file} imports ${to}`),
      )
    expect(wrong).toEqual([])
  })

  test('pure folders read neither clock nor chance', () => {
    const wrong = files
      .filter(file => PURE.some(folder => file.startsWith(folder)))
      .flatMap(file =>
        BANNED.filter(([pattern]) => pattern.test(source(file))).map(([, name]) => `${file}: ${name}`),
      )
    expect(wrong).toEqual([])
  })

  test('SQL lives in the store', () => {
    const sql = /`\s*(select|insert into|update|delete from)\s/i
    const wrong = files.filter(
      file => /^server\/(http|jobs|domain|operate)\//.test(file) && sql.test(source(file)),
    )
    expect(wrong).toEqual([])
  })

  test(`a file has at most ${FILE_LINES_MAX} lines`, () => {
    const long = files
      .map(file => [file, source(file).split('\n').length - 1] as const)
      .filter(([, lines]) => lines > FILE_LINES_MAX)
      .map(([file, lines]) => `${file}: ${lines}`)
    expect(long).toEqual([])
  })

  test(`a function has at most ${FUNCTION_LINES_MAX} lines`, () => {
    expect(files.filter(file => !file.startsWith('test/')).flatMap(longFunctions)).toEqual([])
  })

  test('casts stay in tests and in the files that mint brands', () => {
    const minting = ['server/protocol/units.ts', 'server/store/rows.ts']
    const cast = /\bas (?!const\b)[A-Z{([a-z]/
    const wrong = files
      .filter(file => !/^(test|assembly)\//.test(file) && !minting.includes(file))
      .flatMap(file =>
        codeOf(file)
          .split('\n')
          .map((line, i) => [line, i + 1] as const)
          .filter(
            ([line]) =>
              cast.test(line) && !/^\s*(\/\/|\*|\/\*)|import |export \{|`|'.* as .*'|-- /.test(line),
          )
          .map(([line, n]) => `${file}:${n} ${line.trim()}`),
      )
    expect(wrong).toEqual([])
  })

  test('no empty catch', () => {
    const wrong = files.filter(
      file => !file.startsWith('test/tidy') && /catch\s*(\([^)]*\))?\s*\{\s*\}/.test(source(file)),
    )
    expect(wrong).toEqual([])
  })
})
