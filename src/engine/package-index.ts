// Where this machine's packages come from: pip's own files and variables, and the same settings under uv's names.
import { askProgram } from './exec.js';

/** What pip's files say, as variables: a company's index is often written there and nowhere else. */
export async function pipSettings(python: string, environment: NodeJS.ProcessEnv): Promise<Record<string, string>> {
  const args = ['-m', 'pip', 'config', 'list'];
  return parsePipSettings((await askProgram({ file: python, args, environment }))?.stdout ?? '');
}

/** `global.index-url='https://...'` -> PIP_INDEX_URL. Pure. */
export function parsePipSettings(listing: string): Record<string, string> {
  const lines = [...listing.matchAll(/^(?:global|install)\.([a-z-]+)='(.*)'$/gm)];
  return Object.fromEntries(
    lines.map(([, key = '', value = '']) => [`PIP_${key.toUpperCase().replaceAll('-', '_')}`, value]),
  );
}

/** What uv is told in a company's network, where all is written down for pip and for the system's certificates alone. */
export async function companyEnvironment(python: string, environment: NodeJS.ProcessEnv): Promise<NodeJS.ProcessEnv> {
  const known = { ...(await pipSettings(python, environment)), ...environment };
  return {
    UV_FIND_LINKS: known['PIP_FIND_LINKS'],
    UV_INSECURE_HOST: known['PIP_TRUSTED_HOST'],
    // The first is today's name of it, the second that of older uvs.
    UV_SYSTEM_CERTS: 'true',
    UV_NATIVE_TLS: 'true',
    ...withTwins(known),
  };
}

/** pip installs uv and uv installs the rest; people set the index for the one that they use. */
export function withTwins(environment: NodeJS.ProcessEnv): NodeJS.ProcessEnv {
  const pipIndex = environment['PIP_INDEX_URL'];
  const uvIndex = environment['UV_DEFAULT_INDEX'] ?? environment['UV_INDEX_URL'];
  const pipMore = environment['PIP_EXTRA_INDEX_URL'];
  const uvMore = environment['UV_INDEX'] ?? environment['UV_EXTRA_INDEX_URL'];
  return {
    ...environment,
    PIP_INDEX_URL: pipIndex ?? uvIndex,
    PIP_EXTRA_INDEX_URL: pipMore ?? uvMore,
    ...(uvIndex ? {} : { UV_DEFAULT_INDEX: pipIndex }),
    ...(uvMore ? {} : { UV_INDEX: pipMore }),
  };
}
