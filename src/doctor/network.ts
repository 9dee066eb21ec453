// Proxy and certificate settings: they have to reach downloads, and must not come between mlx and its own local servers.
import { existsSync } from 'node:fs';

import { ok, skip, warn, type Finding } from './finding.js';
import type { Machine } from './machine.js';

const proxyNames = ['HTTPS_PROXY', 'HTTP_PROXY', 'ALL_PROXY'];
const certificateNames = ['NODE_EXTRA_CA_CERTS', 'SSL_CERT_FILE', 'REQUESTS_CA_BUNDLE', 'CURL_CA_BUNDLE', 'PIP_CERT'];

export function checkProxy(machine: Machine): Promise<Finding[]> {
  const set = proxyNames.flatMap((name) => {
    const value = valueOf(machine, name);
    return value === undefined ? [] : [`${name}=${withoutPassword(value)}`];
  });
  if (set.length === 0) return Promise.resolve([skip('proxy', 'none set')]);
  const spared = (valueOf(machine, 'NO_PROXY') ?? '').split(/[\s,]+/);
  const what = set.join(', ');
  if (spared.some((host) => ['127.0.0.1', 'localhost', '*'].includes(host)))
    return Promise.resolve([ok('proxy', what)]);
  const why = 'Programs on this machine would ask the proxy for the gateway and for MLflow on 127.0.0.1.';
  return Promise.resolve([warn('proxy', `${what}, but NO_PROXY spares no local address`, why, fixNoProxy(spared))]);
}

export function checkCertificates(machine: Machine): Promise<Finding[]> {
  const named = certificateNames.flatMap((name) => {
    const file = machine.environment[name];
    return file === undefined || file === '' ? [] : [{ name, file }];
  });
  const { certificates } = machine.config.docker;
  if (certificates !== undefined) named.push({ name: 'docker.certificates', file: certificates });
  const broken = named.filter(({ file }) => !existsSync(file));
  const why = 'Downloads that trust this file fail, each in its own words.';
  if (broken.length > 0) {
    return Promise.resolve(
      broken.map(({ name, file }) =>
        warn('certificates', `${name} names ${file}, which is not there`, why, `Correct or unset ${name}.`),
      ),
    );
  }
  if (named.length === 0) return Promise.resolve([skip('certificates', "the system's own")]);
  const files = [...new Set(named.map(({ file }) => file))].join(', ');
  return Promise.resolve([ok('certificates', `${files} (${named.map(({ name }) => name).join(', ')})`)]);
}

function valueOf(machine: Machine, name: string): string | undefined {
  return machine.environment[name] ?? machine.environment[name.toLowerCase()];
}

/** A proxy's password must reach no terminal and no bug report. */
function withoutPassword(proxy: string): string {
  if (!URL.canParse(proxy)) return proxy.replace(/^.*@/, '***@');
  const url = new URL(proxy);
  const user = url.username === '' ? '' : '***@';
  return `${url.protocol}//${user}${url.host}`;
}

function fixNoProxy(spared: readonly string[]): string {
  return `export NO_PROXY=${[...spared.filter((host) => host !== ''), 'localhost', '127.0.0.1'].join(',')}`;
}
