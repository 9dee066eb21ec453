// Preloaded into a command: it ends as by kill -9 at that place of its promotion which MLX_TEST_KILL_AT names.
import { subscribe } from 'node:diagnostics_channel';

subscribe('mlx.promotion', (point) => {
  if (point === process.env.MLX_TEST_KILL_AT) process.kill(process.pid, 'SIGKILL');
});
