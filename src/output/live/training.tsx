// The live view of a training, in Ink on stderr. Loaded only on a terminal.
import { ProgressBar, Spinner } from '@inkjs/ui';
import { Box, render, Text } from 'ink';
import { useEffect, useState, type ReactNode } from 'react';

import { formatCount, formatDuration, formatNumber, formatShare, sparkline } from '../numbers.js';
import type { TrainingProgress } from './training-progress.js';

export type TrainingView = {
  show: (progress: TrainingProgress) => void;
  /** Takes the picture away until the next one is shown. */
  clear: () => void;
  close: () => Promise<void>;
};

export function openView(progress: TrainingProgress): TrainingView {
  const app = render(<Training progress={progress} columns={columns()} />, {
    stdout: process.stderr,
    // Ctrl-C is main.ts's: the trainer saves a checkpoint first, and the view shows it.
    exitOnCtrlC: false,
    patchConsole: false,
  });
  return {
    show: (next) => app.rerender(<Training progress={next} columns={columns()} />),
    clear: () => app.clear(),
    close: async () => {
      app.unmount();
      await app.waitUntilExit();
    },
  };
}

function columns(): number {
  return process.stderr.columns;
}

export function Training({ progress, columns }: { progress: TrainingProgress; columns: number }): ReactNode {
  const { title, phase, ended, lines, scores } = progress;
  return (
    <Box flexDirection="column" width={Math.min(columns, 100)}>
      <Box justifyContent="space-between">
        <Text bold>{title}</Text>
        <Text dimColor wrap="truncate">
          {progress.device}
        </Text>
      </Box>
      <Box justifyContent="space-between">
        {ended ? <Ended phase={phase} /> : <Spinner label={phase} />}
        <Elapsed startedAtMs={progress.startedAtMs} running={!ended} />
      </Box>
      <Bar progress={progress} />
      <Figures progress={progress} columns={columns} />
      {scores.map(({ subject, loss, perplexity, exactMatch }) => (
        <Text key={subject} wrap="truncate">
          {subject.padEnd(6)} loss <Text bold>{formatNumber(loss)}</Text> perplexity {formatNumber(perplexity)} exact
          match <Text bold>{formatShare(exactMatch)}</Text>
        </Text>
      ))}
      {lines.map((line, index) => (
        <Text key={`${index} ${line}`} dimColor wrap="truncate">
          {line}
        </Text>
      ))}
    </Box>
  );
}

function Ended({ phase }: { phase: string }): ReactNode {
  return phase === 'done' ? <Text color="green">✔ done</Text> : <Text color="yellow">■ {phase}</Text>;
}

/** Its own clock: while the trainer imports or scores there are no events, and a standing clock looks like a hang. */
function Elapsed({ startedAtMs, running }: { startedAtMs: number; running: boolean }): ReactNode {
  const [nowMs, setNowMs] = useState(() => Date.now());
  useEffect(() => {
    if (!running) return undefined;
    const timer = setInterval(() => setNowMs(Date.now()), 1000);
    return () => clearInterval(timer);
  }, [running]);
  return <Text dimColor>{formatDuration(Math.max(0, nowMs - startedAtMs))}</Text>;
}

/** Of the scoring while there is one, else of the training. */
function Bar({ progress }: { progress: TrainingProgress }): ReactNode {
  const { scoring, step, totalSteps, etaMs, epoch } = progress;
  const [done, whole] = scoring ? [scoring.done, scoring.rows] : [step, totalSteps];
  if (whole === 0) return null;
  const left = scoring || etaMs === undefined ? '' : ` · ${formatDuration(etaMs)} left`;
  const turn = scoring || epoch === undefined ? '' : ` · epoch ${epoch.toFixed(1)}`;
  return (
    <Box gap={1}>
      <Box flexGrow={1}>
        <ProgressBar value={(done / whole) * 100} />
      </Box>
      <Text wrap="truncate">{`${formatCount(done)}/${formatCount(whole)}${scoring ? ' rows' : ''}${turn}${left}`}</Text>
    </Box>
  );
}

function Figures({ progress, columns }: { progress: TrainingProgress; columns: number }): ReactNode {
  const { losses, learningRate, tokensPerSecond, memoryGib } = progress;
  const loss = losses.at(-1);
  if (loss === undefined || learningRate === undefined || tokensPerSecond === undefined || memoryGib === undefined) {
    return null;
  }
  return (
    <Text wrap="truncate">
      loss <Text bold>{loss.toFixed(4)}</Text> <Text color="cyan">{sparkline(losses, columns >= 100 ? 32 : 14)}</Text>
      {`  lr ${learningRate.toExponential(1)}  ${formatCount(tokensPerSecond)} tokens/s  ${memoryGib.toFixed(1)} GiB`}
    </Text>
  );
}
