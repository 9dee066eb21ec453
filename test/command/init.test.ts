import {
  existsSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  statSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';

import { describe, expect, it, onTestFinished } from 'vitest';

import { mlx, mlxJson } from './mlx.js';

function scratch(name = 'My Tickets'): string {
  const parent = mkdtempSync(join(tmpdir(), 'mlx-init-'));
  onTestFinished(() => rmSync(parent, { recursive: true, force: true }));
  const folder = join(parent, name);
  mkdirSync(folder);
  return folder;
}

const demoFiles = [
  '.github/workflows/mlx.yaml',
  '.gitignore',
  '.mlx/.gitignore',
  'README.md',
  'data/tickets-held-out.jsonl',
  'data/tickets.jsonl',
  'evals/README.md',
  'mlx.yaml',
  'recipes/ci/smoke.yaml',
  'recipes/recipe.schema.json',
  'recipes/tickets-better.yaml',
  'recipes/tickets.yaml',
];

function filesOf(folder: string): string[] {
  return readdirSync(folder, { recursive: true, encoding: 'utf8' })
    .filter((path) => statSync(join(folder, path)).isFile())
    .sort();
}

describe('mlx init', () => {
  it('makes the demo here, shows the files and what to type next', async () => {
    const folder = scratch();
    const { stdout, stderr, status } = await mlx(['init'], { folder });
    expect({ status, stderr }).toEqual({ status: 0, stderr: '' });
    expect(filesOf(folder)).toEqual(demoFiles);
    expect(stdout).toMatchInlineSnapshot(`
      "Made the project in this folder:
        .github/workflows/mlx.yaml
        .gitignore
        .mlx/.gitignore
        README.md
        data/tickets-held-out.jsonl
        data/tickets.jsonl
        evals/README.md
        mlx.yaml
        recipes/ci/smoke.yaml
        recipes/recipe.schema.json
        recipes/tickets-better.yaml
        recipes/tickets.yaml

      next   mlx doctor
             mlx train tickets
      "
    `);
  });

  it("writes GitLab's pipeline instead, when that is asked for", async () => {
    const folder = scratch();
    await mlx(['init', '--ci', 'gitlab'], { folder });
    expect(filesOf(folder)).toContain('.gitlab-ci.yml');
    expect(filesOf(folder)).not.toContain('.github/workflows/mlx.yaml');
    const pipeline = readFileSync(join(folder, '.gitlab-ci.yml'), 'utf8');
    expect(pipeline).toContain('mlx replay --check');
    expect(pipeline).not.toContain('MLX_VERSION');
  });

  it('says the same in JSON', async () => {
    const folder = scratch();
    const { value, status } = await mlxJson(['init', 'demo'], { folder });
    expect(status).toBe(0);
    expect(value).toEqual({
      folder: join(folder, 'demo'),
      name: 'demo',
      template: 'demo',
      written: demoFiles,
      replaced: [],
      dry_run: false,
    });
  });

  it('makes a project for your own data in a new folder, whose model has its name', async () => {
    const folder = scratch();
    const { stdout, status } = await mlx(['init', 'Support Desk', '--template', 'sft'], { folder });
    expect(status).toBe(0);
    expect(stdout).toContain('next   cd Support Desk && mlx doctor\n       put your rows into data/train.jsonl');
    const recipe = readFileSync(join(folder, 'Support Desk', 'recipes', 'qwen3-0.6b-lora.yaml'), 'utf8');
    expect(recipe).toContain('model: support-desk ');
    expect(filesOf(join(folder, 'Support Desk'))).toEqual(
      expect.arrayContaining(['data/README.md', 'data/train.jsonl', '.mlx/.gitignore']),
    );
  });

  it('keeps what mlx stores from other users', async () => {
    const folder = scratch();
    await mlx(['init'], { folder });
    expect(statSync(join(folder, '.mlx')).mode & 0o777).toBe(0o700);
  });

  it('overwrites nothing: one file in the way stops it all, and every such file is named', async () => {
    const folder = scratch();
    writeFileSync(join(folder, 'mlx.yaml'), 'engine: host\n');
    writeFileSync(join(folder, 'README.md'), 'mine');
    const { stderr, status } = await mlx(['init'], { folder });
    expect(status).toBe(2);
    expect(stderr).toContain('[FILE_EXISTS]');
    expect(stderr).toMatch(/README\.md {2}exists\n {2}mlx\.yaml {2}exists/);
    expect(filesOf(folder)).toEqual(['README.md', 'mlx.yaml']);
    expect(readFileSync(join(folder, 'README.md'), 'utf8')).toBe('mine');
  });

  it('with --force names what it replaces, and never touches .mlx', async () => {
    const folder = scratch();
    writeFileSync(join(folder, 'README.md'), 'mine');
    mkdirSync(join(folder, '.mlx'));
    writeFileSync(join(folder, '.mlx', 'ledger.db'), 'runs');
    writeFileSync(join(folder, '.mlx', '.gitignore'), 'my own');
    const dry = await mlx(['init', '--force', '--dry-run'], { folder });
    expect(dry.stdout).toContain('README.md (replaced)');
    expect(readFileSync(join(folder, 'README.md'), 'utf8')).toBe('mine');

    const { stdout, status } = await mlx(['init', '--force', '--name', 'desk'], { folder });
    expect(status).toBe(0);
    expect(stdout).toContain('README.md (replaced)');
    expect(stdout).not.toContain('.mlx/.gitignore');
    expect(readFileSync(join(folder, 'README.md'), 'utf8')).toMatch(/^# desk\n/);
    expect(readFileSync(join(folder, '.mlx', 'ledger.db'), 'utf8')).toBe('runs');
    expect(readFileSync(join(folder, '.mlx', '.gitignore'), 'utf8')).toBe('my own');
    expect(filesOf(folder).filter((path) => path.endsWith('.partial'))).toEqual([]);
  });

  it('--force does not replace a folder by a file', async () => {
    const folder = scratch();
    mkdirSync(join(folder, 'mlx.yaml'));
    const { stderr, status } = await mlx(['init', '--force'], { folder });
    expect(status).toBe(2);
    expect(stderr).toContain('mlx.yaml  is a folder');
    expect(filesOf(folder)).toEqual([]);
  });

  it('--dry-run writes nothing', async () => {
    const folder = scratch();
    const { stdout, status } = await mlx(['init', '--dry-run'], { folder });
    expect(status).toBe(0);
    expect(stdout).toContain('Would make the project in this folder:\n  .github/workflows/mlx.yaml');
    expect(filesOf(folder)).toEqual([]);
  });

  it('refuses a file as its folder', async () => {
    const folder = scratch();
    writeFileSync(join(folder, 'taken'), '');
    const { status, stderr } = await mlx(['init', 'taken'], { folder });
    expect(status).toBe(2);
    expect(stderr).toContain('taken is a file, not a folder.');
  });

  it.each([
    [['--template', 'nope'], 'Allowed choices are demo, sft'],
    [['--name', 'My Model'], '--name my-model'],
    [['--recipe', 'qwen3-9b-lora'], 'qwen3-8b-lora'],
    [['--recipe', 'qwen3-8b-lora', '--template', 'demo'], '--recipe goes with --template sft'],
  ])('%j is a usage error that helps', async (flags, help) => {
    const folder = scratch();
    const { status, stderr } = await mlx(['init', ...flags], { folder });
    expect(status).toBe(2);
    expect(stderr).toContain(help);
    expect(filesOf(folder)).toEqual([]);
  });
});

describe('mlx init --recipe', () => {
  it('begins a project with that recipe', async () => {
    const folder = scratch();
    const { status } = await mlx(['init', '--recipe', 'llama-3.2-1b-qlora'], { folder });
    expect(status).toBe(0);
    expect(readdirSync(join(folder, 'recipes'))).toEqual(['ci', 'llama-3.2-1b-qlora.yaml', 'recipe.schema.json']);
  });

  it('adds it to a project that is there, and nothing else', async () => {
    const folder = scratch();
    await mlx(['init'], { folder });
    const before = filesOf(folder);
    const { stdout, status } = await mlx(['init', '--recipe', 'qwen3-8b-lora'], { folder });
    expect(status).toBe(0);
    expect(stdout).toContain('Added the recipe in this folder:\n  recipes/qwen3-8b-lora.yaml');
    expect(filesOf(folder)).toEqual([...before, 'recipes/qwen3-8b-lora.yaml'].sort());
    const again = await mlx(['init', '--recipe', 'qwen3-8b-lora'], { folder });
    expect(again).toMatchObject({ status: 2 });
  });
});

describe('mlx config', () => {
  it('shows each setting, its value and where it came from', async () => {
    const folder = scratch();
    writeFileSync(join(folder, 'mlx.yaml'), 'gateway:\n  port: 4700\n');
    const environment = { MLX_GPU: 'off' };
    const { stdout, status } = await mlx(['config', '--engine', 'host'], { folder, environment, columns: 80 });
    expect(status).toBe(0);
    const shown = stdout.trimEnd().split('\n');
    const lines = shown.map((line) => line.replaceAll(/ {2,}/g, '  '));
    expect(lines.slice(0, 4)).toEqual([
      'SETTING  VALUE  FROM',
      'engine  host  --engine',
      'gpu  off  MLX_GPU',
      'gateway.port  4700  mlx.yaml:2',
    ]);
    expect(lines).toContain('mlflow.experiment  mlx  default');
    expect(lines).toContain('docker.memory_gib  -  default');
    expect(new Set(shown.map((line) => line.search(/\S+$/)))).toHaveProperty('size', 1);
  });

  it('names a variable that nothing reads, and what was meant', async () => {
    const folder = scratch();
    writeFileSync(join(folder, 'mlx.yaml'), '');
    const environment = { MLX_GATEWAY_PROT: '4700', MLX_HOME: folder };
    const { stderr } = await mlx(['config'], { folder, environment });
    expect(stderr).toContain('Nothing reads the variable MLX_GATEWAY_PROT. Did you mean MLX_GATEWAY_PORT?');
    expect(stderr).not.toContain('MLX_HOME');
  });

  it('has meaning and variables in JSON', async () => {
    const folder = scratch();
    writeFileSync(join(folder, 'mlx.yaml'), '');
    const { value } = await mlxJson(['config'], { folder });
    expect(value).toMatchObject({ file: join(folder, 'mlx.yaml') });
    expect((value as { settings: unknown[] }).settings[0]).toEqual({
      key: 'engine',
      value: 'auto',
      source: 'default',
      origin: 'default',
      description: 'Where jobs and servers run; auto takes Docker when an Engine answers',
      variables: ['MLX_ENGINE'],
    });
  });

  it('lists every problem of mlx.yaml and of the variables', async () => {
    const folder = scratch();
    writeFileSync(join(folder, 'mlx.yaml'), 'gatway:\n  port: 4700\ngpu: perhaps\n');
    const { stderr, status } = await mlx(['config'], { folder, environment: { MLX_MLFLOW_PORT: '0' } });
    expect(status).toBe(2);
    expect(stderr).toContain('mlx.yaml has 3 problems');
    expect(stderr).toContain('mlx.yaml:1  gatway: unknown key; did you mean gateway?');
    expect(stderr).toContain('mlx.yaml:3  gpu: must be one of auto, off');
    expect(stderr).toContain('MLX_MLFLOW_PORT  mlflow.port: must be at least 1, not 0');
  });

  it('outside a project says how to make one', async () => {
    const folder = scratch();
    const { stderr, status } = await mlx(['config'], { folder });
    expect(status).toBe(2);
    expect(stderr).toContain('mlx init');
    expect(existsSync(join(folder, '.mlx'))).toBe(false);
  });
});
