import { spawnSync } from 'node:child_process';
import { mkdirSync, writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';

import { describe, expect, it } from 'vitest';
import { parse } from 'yaml';

import { asModelName } from '../../../src/config/model-name.js';
import { loadConfig } from '../../../src/config/load.js';
import { projectFiles, recipeFile, shippedRecipes, templates } from '../../../src/config/project-template.js';
import { configSchema } from '../../../src/config/schema.js';
import { configSettings } from '../../../src/config/settings.js';
import { prepareDataset } from '../../../src/dataset/prepare.js';
import { recipeFiles } from '../../../src/recipe/find.js';
import { loadRecipe } from '../../../src/recipe/load.js';
import { scratchFolder } from '../engine/scratch.js';

function projectOf(template: (typeof templates)[number], recipe?: string): { project: string; recipes: string } {
  const project = scratchFolder();
  for (const file of projectFiles({ template, name: 'my-tickets', recipe })) {
    mkdirSync(dirname(join(project, file.path)), { recursive: true });
    writeFileSync(join(project, file.path), file.contents);
  }
  return { project, recipes: join(project, 'recipes') };
}

function textOf(template: (typeof templates)[number], path: string): string {
  const file = projectFiles({ template, name: 'my-tickets', recipe: undefined }).find((one) => one.path === path);
  return file?.contents.toString('utf8') ?? '';
}

describe('the mlx.yaml of a new project', () => {
  const manual = textOf('demo', 'mlx.yaml');
  /** Every `# key: value` comment as a setting. */
  const filledIn = parse(manual.replaceAll(/^( *)# ([a-z_]+: \S+)$/gm, '$1$2')) as Record<string, unknown>;

  it('is valid as it stands', async () => {
    const { project } = projectOf('demo');
    await expect(loadConfig({ project, configFile: join(project, 'mlx.yaml') }, {})).resolves.toMatchObject({
      gateway: { port: 4600 },
    });
  });

  it('names every key of the schema', () => {
    expect(namedKeys(filledIn).sort()).toEqual(
      configSettings()
        .map((setting) => setting.key)
        .sort(),
    );
  });

  it('shows an upstream and a route with every key, as they may be written', async () => {
    const example = manual.replaceAll(/^# ((?:upstreams|routes):|  +\S.*)$/gm, '$1');
    const written = parse(example) as Record<'upstreams' | 'routes', Record<string, object>>;
    const { upstreams, routes } = configSchema.parse({ upstreams: written.upstreams, routes: written.routes });
    expect(Object.keys(upstreams)).toEqual(['openai', 'anthropic', 'together', 'ollama']);
    expect(Object.keys(written.routes['support'] ?? {}).sort()).toEqual(Object.keys(routes['support'] ?? {}).sort());
  });

  it('shows the default of each key, and says where there is none', () => {
    const defaults = configSchema.parse({});
    const withoutDefault = [
      'mlflow.tracking_uri',
      'docker.memory_gib',
      'docker.certificates',
      'gateway.hardware.usd_per_hour',
      'gateway.budgets.everything',
      'gateway.alerts.webhook',
      'gateway.redaction.kinds',
      'gateway.redaction.names.url',
      'gateway.otlp.endpoint',
    ];
    const shown = structuredClone(configSchema.parse(filledIn));
    for (const path of withoutDefault) {
      const keys = path.split('.');
      const key = keys.pop() ?? '';
      Reflect.deleteProperty(sectionAt(shown, keys), key);
      expect(manual).toMatch(new RegExp(`Not set by default[^\\n]*\\n( *# [^\\n]*\\n)*? *(# )?${key}:`));
    }
    expect(shown).toEqual(defaults);
  });
});

/** Dotted, down to the values. */
function namedKeys(section: object): string[] {
  return Object.entries(section).flatMap(([key, value]: [string, unknown]) =>
    typeof value === 'object' && value !== null && !Array.isArray(value)
      ? namedKeys(value).map((inner) => `${key}.${inner}`)
      : [key],
  );
}

function sectionAt(section: object, keys: readonly string[]): object {
  return keys.reduce<object>((inner, key) => (inner as Record<string, object>)[key] ?? {}, section);
}

describe.each(templates)('the template %s', (template) => {
  it('has recipes that parse, with data that they can read', async () => {
    const place = projectOf(template);
    const files = await recipeFiles(place);
    expect(files.length).toBeGreaterThan(0);
    for (const file of files) {
      const recipe = await loadRecipe(place, file, []);
      const prepared = await prepareDataset(recipe, place.project, join(place.project, 'out'));
      expect(prepared.splits.every((split) => split.rows > 0)).toBe(true);
      expect(prepared.warnings).toEqual([]);
    }
  });

  it('has recipes that name their schema, which lies beside them', async () => {
    const place = projectOf(template);
    const paths = projectFiles({ template, name: 'x', recipe: undefined }).map((file) => file.path);
    expect(paths).toContain('recipes/recipe.schema.json');
    for (const file of await recipeFiles(place)) {
      expect(textOf(template, `recipes/${file.split('/').at(-1) ?? ''}`)).toMatch(
        /^# yaml-language-server: \$schema=recipe\.schema\.json\n/,
      );
    }
  });

  it('has ignore files and a workflow under their real names', () => {
    const paths = projectFiles({ template, name: 'x', recipe: undefined }).map((file) => file.path);
    expect(paths).toEqual(
      expect.arrayContaining(['.gitignore', '.mlx/.gitignore', '.github/workflows/mlx.yaml', 'evals/README.md']),
    );
    const workflow = parse(textOf(template, '.github/workflows/mlx.yaml')) as { env: object; jobs: object };
    expect(workflow.env).toEqual({ MLX_PACKAGE: '', ALLOW: expect.any(String) as string });
  });

  it('has a pipeline that checks every lock and replays the smoke recipe, for GitHub and for GitLab', async () => {
    const place = projectOf(template);
    expect(await loadRecipe(place, 'ci/smoke.yaml', [])).toMatchObject({ name: 'smoke', trainer: { max_steps: 4 } });
    for (const [ci, path] of [
      ['github', '.github/workflows/mlx.yaml'],
      ['gitlab', '.gitlab-ci.yml'],
    ] as const) {
      const files = projectFiles({ template, name: 'x', recipe: undefined, ci });
      const text = files.find((file) => file.path === path)?.contents.toString('utf8') ?? '';
      expect(parse(text)).toBeTypeOf('object');
      expect(text).toMatch(/mlx replay --check .*--allow "\$ALLOW"/);
      expect(text).toMatch(/mlx replay recipes\/ci\/smoke\.yaml .*--allow "\$ALLOW"/);
      expect(text).toContain("! -name '*.lock.yaml'");
    }
  });

  it.each(['github', 'gitlab'] as const)('installs nothing on %s until somebody says where mlx comes from', (ci) => {
    const files = projectFiles({ template, name: 'x', recipe: undefined, ci });
    const text = files.find(({ path }) => /mlx\.yaml$|gitlab-ci\.yml$/.test(path) && /gith|gitl/.test(path))?.contents;
    const pipeline = parse(text?.toString('utf8') ?? '') as {
      jobs?: { recipes: { steps: { run?: string }[] } };
      before_script?: string[];
      cache?: { key: unknown };
    };
    const scripts = pipeline.before_script ?? (pipeline.jobs?.recipes.steps ?? []).flatMap(({ run }) => run ?? []);
    const check = scripts[0] ?? '';
    expect(scripts.findIndex((script) => script.includes('npm install'))).toBeGreaterThan(0);
    const ended = (place: string) => spawnSync('sh', ['-ec', check], { env: { MLX_PACKAGE: place }, encoding: 'utf8' });
    expect(ended('')).toMatchObject({ status: 1, stderr: expect.stringContaining('where mlx comes from') as string });
    expect(ended('https://example.com/mlx-0.1.0.tgz')).toMatchObject({ status: 0, stderr: '' });
    if (ci === 'gitlab') expect(pipeline.cache?.key).toEqual({ prefix: 'mlx', files: ['.gitlab-ci.yml'] });
  });

  it('carries the name of the project', () => {
    expect(textOf(template, 'README.md')).toMatch(/^# my-tickets\n/);
  });
});

describe('shipped recipes', () => {
  it.each(shippedRecipes())('%s parses, names its model after the project', async (name) => {
    const place = projectOf('sft', name);
    const recipe = await loadRecipe(place, name, []);
    expect(recipe).toMatchObject({ name, model: 'my-tickets' });
    expect(name).toContain(recipe.method);
  });

  it('that do not exist are answered with the nearest', () => {
    expect(() => recipeFile('qwen3-8b', 'x')).toThrow(
      expect.objectContaining({ code: 'RECIPE_NOT_FOUND', hint: expect.stringContaining('qwen3-8b-lora') as string }),
    );
  });
});

it.each([
  ['My Tickets!', 'my-tickets'],
  ['_déjà vu_', 'd-j-vu'],
  ['...', 'my-model'],
])('a folder called %s makes the model %s', (folder, name) => {
  expect(asModelName(folder)).toBe(name);
});
