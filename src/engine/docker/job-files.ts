// Files that a container needs for the time of a job: the Hugging Face token and the certificates of a download.
// They lie in .mlx/run/jobs/ID, beside a record of their owner, so that those of a killed mlx are found and removed.
import { chownSync, existsSync, mkdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { rootCertificates } from 'node:tls';

import { currentOwner } from '../owner.js';
import type { ContainerUser } from './container-user.js';

export type JobFiles = { tokenFile: string | undefined; certificatesFile: string | undefined };

export function writeJobFiles(
  folder: string,
  wanted: { token: string | undefined; certificates: string | undefined },
  user: ContainerUser,
): JobFiles {
  const { token, certificates } = wanted;
  if (token === undefined && certificates === undefined) {
    return { tokenFile: undefined, certificatesFile: undefined };
  }
  mkdirSync(folder, { recursive: true, mode: 0o700 });
  writeFileSync(join(folder, 'owner.json'), JSON.stringify({ owner: currentOwner() }), { mode: 0o600 });
  const write = (name: string, text: string) => {
    const file = join(folder, name);
    writeFileSync(file, text, { mode: 0o600 });
    if (process.getuid?.() === 0) chownSync(file, user.uid, user.gid);
    return file;
  };
  return {
    tokenFile: token === undefined ? undefined : write('token', token),
    certificatesFile: certificates === undefined ? undefined : write('certificates.pem', allCertificates(certificates)),
  };
}

export function removeJobFiles(folder: string): void {
  rmSync(folder, { recursive: true, force: true });
}

/** The container's file is replaced as a whole: the company's authorities and those of everybody. */
function allCertificates(file: string): string {
  return [...rootCertificates, existsSync(file) ? readFileSync(file, 'utf8') : ''].join('\n');
}
