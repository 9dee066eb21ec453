import { describe, expect, it } from 'vitest';

import { containerNetwork } from '../../../../src/engine/docker/network.js';

describe('the network of a container', () => {
  it('is none for a sealed job, whatever the environment says', () => {
    expect(containerNetwork('none', { HTTPS_PROXY: 'http://127.0.0.1:3128' })).toBe('none');
  });

  it('is the bridge for a download', () => {
    expect(containerNetwork('outside', {})).toBe('bridge');
    expect(containerNetwork('outside', { HTTPS_PROXY: 'http://proxy.example:3128', NO_PROXY: 'localhost' })).toBe(
      'bridge',
    );
    expect(containerNetwork('outside', { HF_ENDPOINT: 'https://127.example/' })).toBe('bridge');
  });

  it.each([
    ['HF_ENDPOINT', 'http://127.0.0.1:8080'],
    ['HF_ENDPOINT', 'http://localhost:8080/hub'],
    ['HTTPS_PROXY', '127.0.0.53:3128'],
    ['http_proxy', 'http://me:secret@localhost:3128'],
    ['ALL_PROXY', 'socks5://[::1]:1080'],
  ])("is the machine's own when %s is %s, which a bridge does not reach", (name, value) => {
    expect(containerNetwork('outside', { [name]: value })).toBe('host');
  });
});
