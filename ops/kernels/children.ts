import { spawn } from 'node:child_process'
import { join } from 'node:path'
import { buffer } from 'node:stream/consumers'
import type { z } from 'zod'

/** A process that was given something of a stranger's and did not end well. */
export class ChildFailed extends Error {}

const HEAP_MIB = 1024
const ROOT = join(import.meta.dirname, '..', '..')
/** It reads our own files, and may neither write nor start anything. */
const CONFINED = ['--permission', `--allow-fs-read=${ROOT}`, `--max-old-space-size=${HEAP_MIB}`]

/**
 * Runs a script of this folder in a process of its own: JSON in, JSON out. A stranger's code or text may crash it, or keep it
 * busy, and then costs nothing but this.
 * @throws ChildFailed when it does not end well within `limitMs`
 */
export async function inChild<Reply>(
  { script, flags = [], limitMs }: { script: string; flags?: readonly string[]; limitMs: number },
  input: object,
  reply: z.ZodType<Reply>,
): Promise<Reply> {
  const file = join(import.meta.dirname, script)
  const child = spawn(process.execPath, [...CONFINED, ...flags, file], {
    stdio: ['pipe', 'pipe', 'pipe'],
    env: { PATH: process.env.PATH },
  })
  const killer = setTimeout(() => child.kill('SIGKILL'), limitMs)
  child.stdin.on('error', () => undefined) // it ended before it read all: its exit says why
  child.stdin.end(JSON.stringify(input))
  const ended = new Promise<string>((resolve, reject) => {
    child.on('error', reject)
    child.on('close', (code, signal) => resolve(signal ?? `code ${code}`))
  })
  const [said, words, how] = await Promise.all([buffer(child.stdout), buffer(child.stderr), ended])
  clearTimeout(killer)
  if (how === 'code 0') return reply.parse(JSON.parse(said.toString()))
  const why = child.killed ? `no end within ${limitMs} ms` : `it ended with ${how}`
  throw new ChildFailed(`${why}${words.length > 0 ? `: ${words.toString().slice(-400)}` : ''}`)
}
