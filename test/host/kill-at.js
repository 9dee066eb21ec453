// Preloaded into a command: it ends as by kill -9 at that place of its promotion which MLX_TEST_KILL_AT names; or, where MLX_TEST_KILL names
// a process and a signal (`4711 SIGTERM`), that process gets the signal there, and the command goes on.
import { writeSync } from 'node:fs';
import { subscribe } from 'node:diagnostics_channel';

const [pid = process.pid, signal = 'SIGKILL'] = (process.env.MLX_TEST_KILL ?? '').split(' ').filter((word) => word);

subscribe('mlx.promotion', (point) => {
  if (point !== process.env.MLX_TEST_KILL_AT) return;
  writeSync(2, `killed at ${point}\n`);
  process.kill(Number(pid), signal);
});
