/**
 * Milliseconds of processor time that this process has used, all threads. Neighbours lengthen the time on the wall, hardly this;
 * they still take their share of the caches.
 */
export function cpuMs(): number {
  const { user, system } = process.cpuUsage()
  return (user + system) / 1000
}
