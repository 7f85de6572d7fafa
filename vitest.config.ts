import { availableParallelism } from 'node:os'
import { defineConfig } from 'vitest/config'

// A project's globalSetup runs only when one of its tests is queued: the unit project never starts PostgreSQL.
export default defineConfig({
  test: {
    maxWorkers: '100%', // by default one less than there are cores, which on two leaves one idle
    projects: [
      {
        test: {
          name: 'unit',
          include: ['test/**/*.test.ts'],
          exclude: ['test/**/*.db.test.ts', 'test/**/*.process.test.ts', 'test/**/*.browser.test.ts'],
          testTimeout: 60_000,
          hookTimeout: 60_000, // compiling a kernel on a busy machine
        },
      },
      {
        test: {
          name: 'db',
          include: ['test/**/*.db.test.ts'],
          globalSetup: ['test/support/postgres.setup.ts'],
          testTimeout: 60_000,
          hookTimeout: 60_000,
          maxWorkers: Math.min(availableParallelism(), 4), // each has a cluster of its own, of some 40 MB
          sequence: { groupOrder: 1 }, // not beside the kernels that the unit project compiles
        },
      },
      {
        test: {
          name: 'process',
          include: ['test/**/*.process.test.ts'],
          globalSetup: ['test/support/build.setup.ts'],
          testTimeout: 300_000,
          hookTimeout: 120_000,
          fileParallelism: false,
        },
      },
      {
        test: {
          name: 'browser',
          include: ['test/**/*.browser.test.ts'],
          globalSetup: ['test/support/build.setup.ts'],
          testTimeout: 240_000,
          hookTimeout: 240_000,
          fileParallelism: false,
        },
      },
    ],
  },
})
