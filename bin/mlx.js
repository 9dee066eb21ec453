#!/usr/bin/env node
// Checks the Node version in syntax that any Node understands, then loads the bundle.
'use strict';

const [major, minor] = process.versions.node.split('.').map(Number);
if (major < 20 || (major === 20 && minor < 19)) {
  process.stderr.write(
    'mlx needs Node.js 20.19 or newer; this is ' +
      process.versions.node +
      ' (' +
      process.execPath +
      ').\n' +
      'Install a newer one (for example: nvm install 22) and run the same command again.\n',
  );
  process.exit(3);
}
import('../dist/main.js').then(
  ({ main }) => main(process.argv.slice(2)),
  (error) => {
    if (error.code !== 'ERR_MODULE_NOT_FOUND') throw error;
    process.stderr.write('mlx is not built: ' + error.message + '\nRun: npm run build\n');
    process.exit(1);
  },
);
