import { type ChildProcess, spawn } from 'node:child_process'

// Reads until our end of the pipe closes, which the kernel does when this process ends, however it ends.
const SCRIPT = 'cat >/dev/null; kill -INT "$1" 2>/dev/null'

/**
 * Ties the server's life to ours where the kernel cannot do it (macOS, or Linux without setpriv): a tiny shell that
 * shuts the server down when this process is gone. It ends with the server otherwise. Does nothing on Windows.
 */
export function guard(server: ChildProcess): void {
  if (process.platform === 'win32' || server.pid === undefined) return
  const shell = spawn('/bin/sh', ['-c', SCRIPT, 'xeenet-guard', String(server.pid)], {
    stdio: ['pipe', 'ignore', 'ignore'],
    detached: true,
  })
  shell.on('error', () => undefined) // no shell, no guard: the server is still stopped by every orderly end
  shell.unref()
  server.once('exit', () => shell.kill('SIGKILL')) // before the pid can belong to another process
}
