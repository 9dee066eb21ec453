// The keys of upstreams, from a variable or a file that only its user may read, into the gateway's memory and nowhere else.
import { readFileSync, statSync } from 'node:fs';

import type { Upstream } from '../config/upstream-schema.js';
import { errorCode } from '../errors.js';
import type { KeyedUpstream } from './routing.js';

/** One whose key is missing keeps its place, with the reason: a route may have a fallback. */
export function readUpstreamKeys(upstreams: readonly Upstream[], environment: NodeJS.ProcessEnv): KeyedUpstream[] {
  return upstreams.map((upstream) => {
    if (upstream.key === undefined) return upstream;
    const found =
      'file' in upstream.key ? readKeyFile(upstream.key.file) : readVariable(upstream.key.variable, environment);
    return { ...upstream, ...found };
  });
}

type Found = { secret: string } | { problem: string };

function readVariable(name: string, environment: NodeJS.ProcessEnv): Found {
  const value = (environment[name] ?? '').trim();
  if (value !== '') return checked(value, name);
  return { problem: `${name} was not set where the gateway was started` };
}

function readKeyFile(file: string): Found {
  try {
    const { mode } = statSync(file);
    if ((mode & 0o077) !== 0) return { problem: `others may read ${file}: chmod 600 ${file}` };
    return checked(readFileSync(file, 'utf8').trim(), file);
  } catch (error) {
    return { problem: `${file} cannot be read (${errorCode(error) ?? 'unknown reason'})` };
  }
}

/** It becomes a header: a line break in it would be a second one. */
function checked(secret: string, place: string): Found {
  return /^[\x21-\x7e]+$/.test(secret) ? { secret } : { problem: `${place} holds no key` };
}
