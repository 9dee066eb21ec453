// Files that a container needs for the time of a job: the Hugging Face token and the certificates of a download.
import { chownSync, existsSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { rootCertificates } from 'node:tls';

import type { ContainerUser } from './container-user.js';

export type JobFiles = { tokenFile: string | undefined; certificatesFile: string | undefined; remove: () => void };

export function writeJobFiles(
  wanted: { token: string | undefined; certificates: string | undefined },
  user: ContainerUser,
): JobFiles {
  const { token, certificates } = wanted;
  if (token === undefined && certificates === undefined) {
    return { tokenFile: undefined, certificatesFile: undefined, remove: () => undefined };
  }
  const folder = mkdtempSync(join(tmpdir(), 'mlx-job-'));
  const write = (name: string, text: string) => {
    const file = join(folder, name);
    writeFileSync(file, text, { mode: 0o600 });
    if (process.getuid?.() === 0) chownSync(file, user.uid, user.gid);
    return file;
  };
  return {
    tokenFile: token === undefined ? undefined : write('token', token),
    certificatesFile: certificates === undefined ? undefined : write('certificates.pem', allCertificates(certificates)),
    remove: () => rmSync(folder, { recursive: true, force: true }),
  };
}

/** The container's file is replaced as a whole: the company's authorities and those of everybody. */
function allCertificates(file: string): string {
  return [...rootCertificates, existsSync(file) ? readFileSync(file, 'utf8') : ''].join('\n');
}
