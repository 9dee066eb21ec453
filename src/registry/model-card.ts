// The model card inside a version's image: where it comes from and how well it did. Figures and hashes only, no row of any data.
// Sections follow https://huggingface.co/docs/hub/model-cards
import { latestMetrics, runDatasets } from '../ledger/metrics.js';
import type { Ledger } from '../ledger/open.js';
import type { Run } from '../ledger/runs.js';
import type { ServingSettings } from './settings.js';

/** The same run gives the same text: it has no date but the run's. */
export function modelCard(ledger: Ledger, run: Run, settings: ServingSettings): string {
  const metrics = latestMetrics(ledger, run.id);
  return `# ${settings.model}:${settings.version}

${settings.adapter ? 'A LoRA adapter' : 'A model'} made by mlx from ${run.baseModel} (commit ${run.baseCommit}) with method ${run.method}.

## Data

${table(
  ['split', 'rows', 'sha256 of the rows as prepared'],
  runDatasets(ledger, run.id).map((dataset) => [dataset.split, String(dataset.rows), dataset.sha256]),
)}

## Scores on the held-out rows

${table(['', 'base', 'tuned'], scoreRows(metrics))}

## How it was made

${table(['', ''], originRows(run, metrics))}

## How it is served

It answers to the name ${settings.model}, with at most ${settings.max_model_len} tokens of prompt and answer. The base model is not inside: its
commit above names the files that it needs.
`;
}

function scoreRows(metrics: Record<string, number>): string[][] {
  return ['loss', 'perplexity', 'exact_match'].map((score) => [
    score,
    figure(metrics[`held_out/base/${score}`]),
    figure(metrics[`held_out/tuned/${score}`]),
  ]);
}

function originRows(run: Run, metrics: Record<string, number>): string[][] {
  return [
    ['run', run.id],
    ['recipe', run.recipe],
    ['seed', String(run.seed)],
    ['steps', String(run.steps ?? 'unknown')],
    ['tokens trained on', String(run.tokens ?? 'unknown')],
    ['final training loss', figure(metrics['train/loss'])],
    ['device', run.device ?? 'unknown'],
    ['network during training', run.seal === null || run.seal === 'none' ? 'not sealed' : `none (${run.seal})`],
    ['weights, sha256', run.adapterSha256 ?? 'unknown'],
    ['finished', new Date(run.endedAtMs ?? run.startedAtMs).toISOString()],
  ];
}

function table(head: string[], rows: string[][]): string {
  const line = (cells: string[]): string => `| ${cells.join(' | ')} |`;
  return [line(head), line(head.map(() => '---')), ...rows.map(line)].join('\n');
}

function figure(value: number | undefined): string {
  return value === undefined ? '--' : String(Number(value.toPrecision(4)));
}
