// mlx pull: downloads, verifies and mends a base model, or takes a local folder in. Touches: MLX_HOME/models.
import { resolve } from 'node:path';

import type { Context } from '../context.js';
import { openEngineIn } from '../engine/open.js';
import type { Engine } from '../engine/engine.js';
import { isMlxError, MlxError } from '../errors.js';
import { outcome, type Outcome } from '../output/output.js';
import type { CommandModule } from '../program.js';
import type { Recipe } from '../recipe/schema.js';
import { findKnownModel, pullBaseModel } from '../training/base-model.js';

export const define: CommandModule['define'] = (command) => {
  command
    .argument('<model>', 'ORG/NAME[@revision] on the hub, or a folder')
    .option('--verify', 'read every byte again and compare its SHA-256')
    .addHelpText(
      'after',
      `
Examples:
  mlx pull Qwen/Qwen3-0.6B          the newest commit of its main branch
  mlx pull Qwen/Qwen3-0.6B@c1899de  one commit, tag or branch
  mlx pull ./my-model               a folder: hashed, checked, used in place
  mlx pull mlx/demo-base            the demo's model, made on this machine
  mlx pull Qwen/Qwen3-0.6B --verify check what lies on disk

HF_TOKEN, HF_ENDPOINT, HF_HUB_OFFLINE and proxies are honoured. An interrupted pull goes on where it stopped.`,
    );
};

export const run: CommandModule['run'] = async (context, args, flags) => {
  const wanted = parseModel(args[0] ?? '', context.workingDirectory);
  if (context.flags.dryRun) return plan(context, wanted);
  const begun = performance.now();
  const edges = {
    home: context.home,
    projectFolder: context.workingDirectory,
    environment: context.environment,
    engine: () => pullEngine(context),
    onProgress: (line: string, fraction?: number) => context.output.progress({ event: 'pull', line, fraction }, line),
    signal: context.signal,
  };
  const model = await pullBaseModel(edges, wanted, { verify: flags['verify'] === true });
  const durationMs = Math.round(performance.now() - begun);
  return outcome({ ...model, durationMs }, ({ repository, commit, folder, sizeBytes }) =>
    [
      `${repository} at ${commit.slice(0, 12)}: verified, ${(sizeBytes / 1e6).toFixed(0)} MB`,
      `  ${folder}`,
      '',
      `next   name it in a recipe under base_model, then: mlx train`,
    ].join('\n'),
  );
};

/** A base model belongs to no project: without one, the engine's own files lie under MLX_HOME. */
async function pullEngine(context: Context): Promise<Engine> {
  try {
    return await context.engine();
  } catch (error) {
    if (!isMlxError(error, 'PROJECT_NOT_FOUND')) throw error;
    return openEngineIn(context.home.home, context);
  }
}

async function plan(context: Context, wanted: Recipe['base_model']): Promise<Outcome> {
  const present = await findKnownModel(context.home, context.workingDirectory, wanted);
  const name = 'path' in wanted ? wanted.path : `${wanted.repository}@${wanted.revision}`;
  return outcome({ wanted: name, present: present ?? null, dryRun: true }, (value) =>
    value.present === null
      ? `Would fetch ${name} into ${context.home.models}.`
      : `${name} is there at ${value.present.commit.slice(0, 12)}: would ask the hub whether it moved, and verify it.`,
  );
}

/** @throws MlxError USAGE for what is neither ORG/NAME[@revision] nor a path */
function parseModel(text: string, workingDirectory: string): Recipe['base_model'] {
  if (/^(\.{0,2}\/|\.{1,2}$|~)/.test(text)) return { path: resolve(workingDirectory, text) };
  const match = /^(?<repository>[\w.-]+\/[\w.-]+)(?:@(?<revision>[^@\s]+))?$/.exec(text);
  const { repository, revision } = match?.groups ?? {};
  if (repository !== undefined) return { repository, revision: revision ?? 'main' };
  throw new MlxError('USAGE', `'${text}' names neither a repository nor a folder.`, {
    hint: 'Write ORG/NAME, ORG/NAME@REVISION, or a path that begins with ./ or /',
  });
}
