/** `npm run build`, second half: the web app of `client/web` into `build/web`. What is up to date is left alone. */
import { createHash } from 'node:crypto'
import { globSync } from 'node:fs'
import { copyFile, readdir, readFile, rename, rm, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { brotliCompressSync, gzipSync } from 'node:zlib'

const ROOT = join(import.meta.dirname, '..')
const OUT = join(ROOT, 'build', 'web')
/** What the app was built from, as a hash. */
const STAMP = '.built-from'

const SOURCES =
  '{client/web/**/*,client/{runtime,onnx}/*.ts,server/protocol/*.ts,package-lock.json,ops/build-web.ts}'

/** ONNX Runtime for tabs, fetched only by one that computes with it: files of its package by the names under which they are served. */
const LIBRARY = join(ROOT, 'node_modules', 'onnxruntime-web')
const LIBRARY_FILES = {
  'wasm.js': 'ort.wasm.min.mjs',
  'wasm-loader.js': 'ort-wasm-simd-threaded.mjs',
  'wasm.wasm': 'ort-wasm-simd-threaded.wasm',
  'webgpu.js': 'ort.webgpu.min.mjs',
  'webgpu-loader.js': 'ort-wasm-simd-threaded.asyncify.mjs',
  'webgpu.wasm': 'ort-wasm-simd-threaded.asyncify.wasm',
}

async function main(): Promise<void> {
  const source = await hashOfSources()
  if ((await builtFrom()) === source) return
  const { build } = await import('vite') // slow to load, so not before it is needed
  const fresh = `${OUT}.${process.pid}`
  await build({
    configFile: false,
    root: join(ROOT, 'client', 'web'),
    logLevel: 'warn',
    oxc: { jsx: { runtime: 'automatic', importSource: 'preact' } },
    worker: { format: 'es' },
    build: {
      outDir: fresh,
      emptyOutDir: true,
      target: 'es2022',
      assetsInlineLimit: 0, // the pages' policy forbids data addresses for all but images
      modulePreload: { polyfill: false },
      manifest: true, // so that a document can name the files of its page
      reportCompressedSize: false,
      rolldownOptions: {
        input: ['index.html', 'local.html'].map(name => join(ROOT, 'client', 'web', name)),
        checks: { bundlerTimings: false }, // who starts a server has no use for them
      },
    },
  })
  await copyLibrary(join(fresh, 'assets'))
  await compress(fresh)
  await writeFile(join(fresh, STAMP), source)
  await putInPlace(fresh, source)
}

const builtFrom = (): Promise<string> => readFile(join(OUT, STAMP), 'utf8').catch(() => '')

async function hashOfSources(): Promise<string> {
  const hash = createHash('sha256')
  for (const file of globSync(SOURCES, { cwd: ROOT, withFileTypes: true })
    .filter(entry => entry.isFile())
    .map(entry => join(entry.parentPath, entry.name))
    .sort())
    hash.update(`${file}\0`).update(await readFile(file))
  return hash.digest('hex')
}

/** Where the optional package is missing, tabs compute kernels only, and say so. */
async function copyLibrary(assets: string): Promise<void> {
  const about = await readFile(join(LIBRARY, 'package.json'), 'utf8').catch(() => undefined)
  if (about === undefined) return
  const { version } = JSON.parse(about)
  for (const [name, file] of Object.entries(LIBRARY_FILES))
    await copyFile(join(LIBRARY, 'dist', file), join(assets, `ort-${version}-${name}`))
}

/** Once at build time and as small as it gets, rather than with every answer. */
async function compress(directory: string): Promise<void> {
  const files = (await readdir(directory, { recursive: true })).filter(name =>
    /\.(js|css|html|svg|wasm)$/.test(name),
  )
  for (const name of files) {
    const bytes = await readFile(join(directory, name))
    const isLarge = bytes.length > LARGE_BYTES
    await writeFile(join(directory, `${name}.gz`), gzipSync(bytes, { level: isLarge ? 6 : 9 }))
    if (!isLarge) await writeFile(join(directory, `${name}.br`), brotliCompressSync(bytes))
  }
}

/** Brotli takes a minute for megabytes of WebAssembly, and saves a fifth. */
const LARGE_BYTES = 2 * 1024 ** 2

/** Another process may build at the same time: whoever is second leaves what the first put there, which may be read by now. */
async function putInPlace(fresh: string, source: string): Promise<void> {
  if ((await builtFrom()) === source) return rm(fresh, { recursive: true, force: true })
  const old = `${fresh}.old`
  await rename(OUT, old).catch(() => undefined)
  await rename(fresh, OUT).catch(() => rm(fresh, { recursive: true, force: true }))
  await rm(old, { recursive: true, force: true })
}

await main()
