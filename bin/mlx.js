#!/usr/bin/env node
// Checks the Node version in syntax that any Node understands, answers --version and --help from files, then loads the bundle.
'use strict';

import { readFileSync } from 'fs';
import * as module from 'module';

const here = new URL('.', import.meta.url);
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

const text = writtenAnswer(process.argv.slice(2));
if (text === undefined) {
  // Since Node 22.8: compiled code is kept in the system's temporary folder, which saves a third of the time to start.
  if (module.enableCompileCache) module.enableCompileCache();
  import('../dist/main.js').then(
    ({ main }) => main(process.argv.slice(2)),
    (error) => {
      if (error.code !== 'ERR_MODULE_NOT_FOUND') throw error;
      process.stderr.write('mlx is not built: ' + error.message + '\nRun: npm run build\n');
      process.exit(1);
    },
  );
} else {
  process.stdout.write(text);
}

// The two most asked questions need no program: the version stands in package.json, the help was written by the build
// for 80 columns. Anything unusual (another terminal width, no build) goes the long way.
function writtenAnswer(argv) {
  if (argv.length !== 1) return undefined;
  try {
    if (argv[0] === '--version' || argv[0] === '-V')
      return JSON.parse(readFileSync(new URL('../package.json', here), 'utf8')).version + '\n';
    if ((argv[0] === '--help' || argv[0] === '-h') && !(process.stdout.columns < 80))
      return readFileSync(new URL('../dist/help.txt', here), 'utf8');
  } catch (error) {
    if (error.code !== 'ENOENT') throw error;
  }
  return undefined;
}
