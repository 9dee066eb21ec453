// The bundle: one chunk a dynamic import, so that a command loads only what it needs, and every package that can be is
// bundled: Node spends more time on finding files in node_modules than on running them (docs/decisions/0003).
import { defineConfig } from 'tsdown';

/** Native modules, and dockerode, which loads some of its own. ink asks for its development tools only when DEV is set. */
const outside = ['better-sqlite3', 'dockerode', 'react-devtools-core'];

export default defineConfig({
  entry: {
    main: 'src/main.ts',
    // What scripts/ need to find Python and its environments the way mlx does.
    paths: 'src/config/paths.ts',
    python: 'src/engine/host/python.ts',
    venvs: 'src/engine/host/venvs.ts',
  },
  outDir: 'dist',
  format: 'esm',
  platform: 'node',
  target: 'node20',
  minify: true,
  sourcemap: false,
  dts: false,
  clean: true,
  outExtensions: () => ({ js: '.js' }),
  // React's development build is a third slower to load, and its warnings are for us, not for users.
  define: { 'process.env.NODE_ENV': '"production"' },
  deps: { neverBundle: outside, alwaysBundle: (id: string) => !outside.includes(id), onlyBundle: false },
});
