import { writeFileSync } from 'node:fs';
import { join } from 'node:path';

import { describe, expect, it } from 'vitest';

import { buildAccess, noAccess } from '../../../../src/engine/docker/build-access.js';
import { parsePipSettings } from '../../../../src/engine/package-index.js';
import { buildArgs, type Build } from '../../../../src/engine/docker/build.js';
import { scratchFolder } from '../scratch.js';

const build: Build = {
  title: 'image trainer',
  dockerfile: '/mlx/compose/images/trainer/Dockerfile',
  context: '/mlx',
  buildArguments: { VARIANT: 'cpu', PACKAGES_IMAGE: 'mlx/runtime-packages:1' },
  labels: { 'mlx.runtime': 'trainer', 'mlx.inputs': 'abc' },
  tag: 'mlx/runtime-trainer:2',
};

describe('the command line of an image build', () => {
  it('names labels and arguments in order of name, and ends with the context', () => {
    expect(buildArgs(build, noAccess, '/scratch/id')).toEqual([
      ...['buildx', 'build', '--load', '--progress', 'rawjson', '--provenance', 'false', '--iidfile', '/scratch/id'],
      ...['--file', '/mlx/compose/images/trainer/Dockerfile', '--tag', 'mlx/runtime-trainer:2'],
      ...['--label', 'mlx.inputs=abc', '--label', 'mlx.runtime=trainer'],
      ...['--build-arg', 'PACKAGES_IMAGE=mlx/runtime-packages:1', '--build-arg', 'VARIANT=cpu'],
      '/mlx',
    ]);
  });

  it('hands over proxies by name, certificates and package settings as secrets, and shows no value of them', () => {
    const folder = scratchFolder();
    const certificates = join(folder, 'company.pem');
    writeFileSync(certificates, 'certificates');
    const access = buildAccess(
      { HTTPS_PROXY: 'http://me:secret@proxy.example:3128', no_proxy: 'localhost', UV_DEFAULT_INDEX: 'https://u:p@i/' },
      certificates,
    );
    expect(access).toEqual({
      proxyVariables: ['HTTPS_PROXY', 'no_proxy'],
      hostNetwork: false,
      certificates,
      packageSettings: 'PIP_INDEX_URL=https://u:p@i/\nUV_DEFAULT_INDEX=https://u:p@i/',
    });
    const args = buildArgs({ ...build, labels: {}, buildArguments: {} }, access, '/scratch/id');
    expect(args.slice(13)).toEqual([
      ...['--build-arg', 'HTTPS_PROXY', '--build-arg', 'no_proxy'],
      ...['--secret', `id=certificates,src=${certificates}`],
      ...['--secret', 'id=package_settings,env=MLX_PACKAGE_SETTINGS'],
      '/mlx',
    ]);
  });

  it('builds on the machine network when the proxy listens on its loopback', () => {
    expect(buildAccess({ HTTP_PROXY: 'http://127.0.0.1:3128' }, undefined).hostNetwork).toBe(true);
    expect(buildAccess({ HTTP_PROXY: 'http://proxy:3128', NO_PROXY: 'localhost' }, undefined).hostNetwork).toBe(false);
  });

  it('takes the certificates that this machine names, and none that do not exist', () => {
    const folder = scratchFolder();
    const file = join(folder, 'machine.pem');
    writeFileSync(file, 'certificates');
    const environment = { NODE_EXTRA_CA_CERTS: join(folder, 'gone.pem'), SSL_CERT_FILE: file };
    expect(buildAccess(environment, undefined).certificates).toBe(file);
    expect(buildAccess({}, undefined).certificates).toBeUndefined();
  });

  it("takes pip's index for uv as well, from the variable or from pip's own files", () => {
    expect(
      parsePipSettings("global.index-url='https://i/simple'\ninstall.trusted-host='i'\n:env:.cert='/c'\n"),
    ).toEqual({
      PIP_INDEX_URL: 'https://i/simple',
      PIP_TRUSTED_HOST: 'i',
    });
    expect(buildAccess({ PIP_INDEX_URL: 'https://i/simple' }, undefined).packageSettings).toBe(
      'PIP_INDEX_URL=https://i/simple\nUV_DEFAULT_INDEX=https://i/simple',
    );
    expect(
      buildAccess({ PIP_INDEX_URL: 'https://p/', UV_DEFAULT_INDEX: 'https://u/' }, undefined).packageSettings,
    ).toBe('PIP_INDEX_URL=https://p/\nUV_DEFAULT_INDEX=https://u/');
    expect(buildAccess({}, undefined).packageSettings).toBe('');
  });
});
