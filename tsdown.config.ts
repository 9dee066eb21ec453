// The bundle: one chunk a dynamic import, so that a command loads only what it needs.
import { defineConfig } from 'tsdown';

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
  // Bundled so that `--help` parses one small file instead of walking node_modules. The rest stays outside.
  deps: { alwaysBundle: ['commander', 'picocolors'] },
});
