import { expect, test } from 'vitest';

import { counterFiles, parseOomKills } from '../../../../src/engine/host/out-of-memory.js';

test('the counters of both kinds of control groups and of the machine are read', () => {
  expect(counterFiles('0::/user.slice/session-1.scope\n')).toEqual([
    '/sys/fs/cgroup/user.slice/session-1.scope/memory.events',
    '/proc/vmstat',
  ]);
  expect(counterFiles('9:name=systemd:/\n4:cpu,memory:/box\n0::/\n')).toEqual([
    '/sys/fs/cgroup//memory.events',
    '/sys/fs/cgroup/memory/box/memory.oom_control',
    '/proc/vmstat',
  ]);
});

test('only the count of kills is evidence', () => {
  expect(parseOomKills('low 0\nhigh 5\nmax 9\noom 3\noom_kill 2\noom_group_kill 7\n')).toBe(2);
  expect(parseOomKills('oom_kill_disable 1\nunder_oom 0\noom_kill 4\n')).toBe(4);
  expect(parseOomKills('')).toBe(0);
});
