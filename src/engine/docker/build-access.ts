// How this machine reaches the outside (proxies, certificates, package indexes), for builds and downloads in containers.
import { existsSync } from 'node:fs';

import { pipSettings, withTwins } from '../package-index.js';
import { hasLoopbackAddress, proxyAddressNames } from './network.js';

/** What the machine needs to reach package indexes; used while building and not left in the image. */
export type BuildAccess = {
  /** Names of proxy variables; Docker takes their values from the environment and keeps them out of the image. */
  proxyVariables: string[];
  hostNetwork: boolean;
  certificates: string | undefined;
  /** NAME=VALUE lines for compose/images/install. */
  packageSettings: string;
};

/** Needs nothing from outside: a build that only copies. */
export const noAccess: BuildAccess = {
  proxyVariables: [],
  hostNetwork: false,
  certificates: undefined,
  packageSettings: '',
};

const proxyNames = [...proxyAddressNames, 'FTP_PROXY', 'NO_PROXY'];
const certificateNames = ['NODE_EXTRA_CA_CERTS', 'SSL_CERT_FILE', 'REQUESTS_CA_BUNDLE', 'PIP_CERT'];
const packageSettingNames = [
  ...['PIP_INDEX_URL', 'PIP_EXTRA_INDEX_URL', 'PIP_TRUSTED_HOST', 'PIP_DEFAULT_TIMEOUT'],
  ...['UV_DEFAULT_INDEX', 'UV_INDEX', 'UV_INDEX_URL', 'UV_EXTRA_INDEX_URL', 'UV_INSECURE_HOST', 'UV_HTTP_TIMEOUT'],
  'DEBIAN_MIRROR',
];

/** With what pip's own files say (`pip config`): a company's index is often written there and nowhere else. */
export async function machineAccess(
  environment: NodeJS.ProcessEnv,
  certificates: string | undefined,
): Promise<BuildAccess> {
  return buildAccess({ ...(await pipSettings('python3', environment)), ...environment }, certificates);
}

/** `certificates` of mlx.yaml come first, then the variables by which this machine's own programs find theirs. */
export function buildAccess(environment: NodeJS.ProcessEnv, certificates: string | undefined): BuildAccess {
  const proxyVariables = proxyNames.flatMap((name) => [name, name.toLowerCase()]).filter((name) => environment[name]);
  const settings = withTwins(environment);
  return {
    proxyVariables,
    hostNetwork: hasLoopbackAddress(environment, proxyAddressNames),
    certificates: certificatesFile(environment, certificates),
    packageSettings: packageSettingNames
      .filter((name) => settings[name])
      .map((name) => `${name}=${settings[name] ?? ''}`)
      .join('\n'),
  };
}

export function certificatesFile(environment: NodeJS.ProcessEnv, configured: string | undefined): string | undefined {
  const files = [configured, ...certificateNames.map((name) => environment[name])];
  return files.find((file) => file !== undefined && file !== '' && existsSync(file));
}
