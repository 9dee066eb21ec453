// Layers of tests (CONTRIBUTING.md): unit and command by default; host, docker and gpu by name.
import { defineConfig } from 'vitest/config';

// Snapshots hold no colour codes, whatever the terminal or CI would get.
process.env['NO_COLOR'] = '1';

export default defineConfig({
  test: {
    projects: [
      { test: { name: 'unit', include: ['test/unit/**/*.test.{ts,tsx}'], testTimeout: 30_000 } },
      { test: { name: 'command', include: ['test/command/**/*.test.ts'], testTimeout: 30_000 } },
      ...['host', 'docker', 'gpu'].map((name) => ({
        test: {
          name,
          include: [`test/${name}/**/*.test.ts`],
          // Real training and real servers: one file at a time, and minutes rather than seconds.
          fileParallelism: false,
          testTimeout: 900_000,
          hookTimeout: 900_000,
        },
      })),
    ],
  },
});
