import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';

import { describe, expect, it, onTestFinished } from 'vitest';

import { checkHub } from '../../../src/doctor/hub.js';
import { checkCertificates, checkProxy } from '../../../src/doctor/network.js';
import { fakeMachine } from './fake-machine.js';

async function hubThatAnswers(status: number): Promise<{ endpoint: string; requests: string[] }> {
  const requests: string[] = [];
  const hub = createServer((request, response) => {
    requests.push(`${request.method ?? ''} ${request.url ?? ''} ${request.headers.authorization ?? 'no token'}`);
    response.writeHead(status).end('[]');
  }).listen(0, '127.0.0.1');
  onTestFinished(() => void hub.close());
  await new Promise((resolve) => hub.once('listening', resolve));
  return { endpoint: `http://127.0.0.1:${(hub.address() as AddressInfo).port}`, requests };
}

describe('the model hub', () => {
  it('is asked one public question, without a token', async () => {
    const { endpoint, requests } = await hubThatAnswers(200);
    const machine = fakeMachine();
    const environment = { ...machine.environment, HF_ENDPOINT: endpoint, HF_TOKEN: 'hf_secret' };
    expect(await checkHub({ ...machine, environment })).toMatchObject([{ status: 'ok' }]);
    expect(requests).toEqual(['GET /api/models?limit=1 no token']);
  });

  it('never fails the doctor: it may be ill, absent or no address at all', async () => {
    const { endpoint } = await hubThatAnswers(503);
    const statuses = [];
    for (const address of [endpoint, 'http://127.0.0.1:1', 'not a url']) {
      const [finding] = await checkHub(fakeMachine({ environment: { HF_ENDPOINT: address } }));
      statuses.push(finding?.status);
    }
    expect(statuses).toEqual(['warn', 'warn', 'warn']);
  });

  it('is not asked when HF_HUB_OFFLINE or DO_NOT_TRACK is set', async () => {
    const { endpoint, requests } = await hubThatAnswers(200);
    for (const name of ['HF_HUB_OFFLINE', 'DO_NOT_TRACK']) {
      const environment = { HF_ENDPOINT: endpoint, [name]: '1' };
      expect(await checkHub(fakeMachine({ environment }))).toMatchObject([{ status: 'skip' }]);
    }
    expect(requests).toEqual([]);
  });
});

describe('proxy settings', () => {
  it('show no password and ask for local addresses to be spared', async () => {
    const environment = { HTTPS_PROXY: 'http://anna:secret@proxy.example:3128' };
    const [finding] = await checkProxy(fakeMachine({ environment }));
    expect(finding).toMatchObject({ status: 'warn', fix: 'export NO_PROXY=localhost,127.0.0.1' });
    expect(JSON.stringify(finding)).not.toMatch(/secret|anna/);
  });

  it('are fine once they spare local addresses, in either case of the name', async () => {
    const environment = { https_proxy: 'http://proxy.example:3128', no_proxy: '.example,localhost' };
    expect(await checkProxy(fakeMachine({ environment }))).toMatchObject([{ status: 'ok' }]);
    expect(await checkProxy(fakeMachine({ environment: {} }))).toMatchObject([{ status: 'skip' }]);
  });
});

describe('certificate settings', () => {
  it('are wrong when they name a file that is not there', async () => {
    const machine = fakeMachine({ environment: { SSL_CERT_FILE: '/nowhere/ca.pem' } });
    machine.config.docker.certificates = '/nowhere/company.pem';
    const findings = await checkCertificates(machine);
    expect(findings.map(({ status }) => status)).toEqual(['warn', 'warn']);
    expect(findings[1]?.what).toContain('docker.certificates');
  });
});
