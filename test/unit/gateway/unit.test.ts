import { spawnSync } from 'node:child_process';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';

import { expect, onTestFinished, test } from 'vitest';

import { unitName, unitText, type UnitFacts } from '../../../src/gateway/unit.js';

const facts: UnitFacts = {
  ...{ project: '/home/ada/my tickets', projectId: '0123456789', path: '/usr/bin:/bin' },
  variables: { MLX_HOME: '/home/ada/.mlx', MLX_GATEWAY_PORT: '4700' },
  program: ['/usr/bin/node', '/opt/mlx/bin/mlx.js'],
  ...{ drainTimeoutMs: 60_000, keysFile: '/home/ada/my tickets/.mlx/secrets/gateway.env' },
};

test('the unit of a gateway, whole', () => {
  expect(unitName(facts)).toBe('mlx-gateway-my-tickets-0123456789.service');
  expect(unitText(facts)).toBe(`[Unit]
Description=mlx gateway of /home/ada/my tickets
StartLimitIntervalSec=0

[Service]
Type=exec
WorkingDirectory=/home/ada/my tickets
ExecStart="/usr/bin/node" "/opt/mlx/bin/mlx.js" "gateway" "start" "--foreground" "--project" "/home/ada/my tickets"
Environment="PATH=/usr/bin:/bin"
Environment="MLX_HOME=/home/ada/.mlx"
Environment="MLX_GATEWAY_PORT=4700"
EnvironmentFile=-/home/ada/my tickets/.mlx/secrets/gateway.env
Restart=on-failure
RestartSec=2
KillMode=process
TimeoutStopSec=90

[Install]
WantedBy=default.target
`);
});

test('what means something to systemd in a path is only a part of it', () => {
  const text = unitText({ ...facts, project: '/home/ada/100% "$HOME"', variables: {} });
  expect(text).toContain('"--project" "/home/ada/100%% \\"$$HOME\\""');
  expect(text).not.toContain('MLX_HOME');
});

const verifies = spawnSync('systemd-analyze', ['--version']).status === 0;

test.skipIf(!verifies)('systemd finds nothing wrong with it', () => {
  const folder = mkdtempSync(join(tmpdir(), 'mlx-unit-'));
  onTestFinished(() => rmSync(folder, { recursive: true }));
  const file = join(folder, unitName(facts));
  writeFileSync(file, unitText({ ...facts, project: folder, program: [process.execPath, join(folder, 'mlx.js')] }));
  const { status, stderr } = spawnSync('systemd-analyze', ['verify', file], { encoding: 'utf8' });
  const ours = stderr.split('\n').filter((line) => line.includes('mlx-gateway'));
  expect([status, ours]).toEqual([0, []]);
});
