// What the live view of a training shows. Made from the trainer's events in training/progress.ts.

export type TrainingProgress = {
  /** Run id, or the recipe while there is no run yet. */
  title: string;
  phase: string;
  /** Nothing more comes. */
  ended: boolean;
  startedAtMs: number;
  device: string | undefined;
  step: number;
  totalSteps: number;
  etaMs: number | undefined;
  epoch: number | undefined;
  losses: readonly number[];
  learningRate: number | undefined;
  tokensPerSecond: number | undefined;
  memoryGib: number | undefined;
  scoring: { done: number; rows: number } | undefined;
  scores: readonly { subject: string; loss: number | null; perplexity: number | null; exactMatch: number }[];
  /** Newest last. */
  lines: readonly string[];
};
