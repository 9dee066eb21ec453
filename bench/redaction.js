// Recall and precision of the detectors of personal identifiers, and their speed, on a generated corpus with look-alikes.
//
//   npm run build && node bench/redaction.js                     the report corpus; some seconds
//   node bench/redaction.js --presidio                           beside presidio-analyzer, which uv installs; a minute
//   node bench/redaction.js --development --misses               the corpus that the detectors are corrected with
//
// An identifier is found when a span of its kind covers all of it. A span is wrong when no identifier of its kind overlaps it.
// Kinds with a check digit have the goals: recall >= 99.5 %, precision >= 97 %.
import { spawnSync } from 'node:child_process';
import { fileURLToPath } from 'node:url';

import { findIdentifiers } from '../dist/detect.js';
import { makeCorpus } from './redaction/corpus.js';
import { development, report } from './redaction/templates.js';

const flags = new Set(process.argv.slice(2));
const withCheckDigit = ['card', 'iban', 'my_number', 'corporate_number'];
const presidioKinds = ['card', 'iban', 'ssn', 'itin', 'email', 'phone'];
const goals = { recall: 0.995, precision: 0.97 };

const corpus = flags.has('--development') ? makeCorpus(development, 1, 150) : makeCorpus(report, 20261121, 150);
const kinds = [...new Set(corpus.flatMap(({ spans }) => spans.map(({ kind }) => kind)))];
const texts = corpus.map(({ text }) => text);
const bytes = Buffer.byteLength(texts.join(''));
const ours = detect();
console.log(
  `${corpus.length} texts, ${corpus.flatMap(({ spans }) => spans).length} identifiers, ${(bytes / 1e6).toFixed(2)} MB\n`,
);
console.log(renderScores('mlx', ours, kinds));
checkGoals(ours.found);
if (flags.has('--misses')) showMisses(ours.found);
if (flags.has('--presidio')) comparePresidio();

function detect() {
  const detection = { kinds, phoneRegions: ['US', 'JP'] };
  const run = () => texts.map((text) => findIdentifiers(text, detection));
  run();
  const began = process.hrtime.bigint();
  const found = run();
  return { found, seconds: Number(process.hrtime.bigint() - began) / 1e9 };
}

function score(found, chosen) {
  const counts = { identifiers: 0, hits: 0, spans: 0, right: 0 };
  for (const [index, { spans }] of corpus.entries()) {
    const wanted = spans.filter(({ kind }) => chosen.includes(kind));
    const given = found[index].filter(({ kind }) => chosen.includes(kind));
    counts.identifiers += wanted.length;
    counts.hits += wanted.filter((span) => given.some((other) => covers(other, span))).length;
    counts.spans += given.length;
    counts.right += given.filter((other) => wanted.some((span) => overlaps(other, span))).length;
  }
  return { ...counts, recall: counts.hits / counts.identifiers, precision: counts.right / counts.spans };
}

function covers(span, wanted) {
  return span.kind === wanted.kind && span.start <= wanted.start && span.end >= wanted.end;
}

function overlaps(span, wanted) {
  return span.kind === wanted.kind && span.start < wanted.end && wanted.start < span.end;
}

function renderScores(name, { found, seconds }, chosen) {
  const lines = [...chosen.map((kind) => [kind, [kind]]), ['all of these', chosen]].map(([label, list]) => {
    const { identifiers, recall, precision, spans } = score(found, list);
    return [
      label.padEnd(18),
      String(identifiers).padStart(6),
      percent(recall),
      spans === 0 ? '--'.padStart(9) : percent(precision),
    ].join('  ');
  });
  const head = `${name.padEnd(18)}  ${'number'.padStart(6)}  ${'recall'.padStart(9)}  ${'precision'.padStart(9)}`;
  return [head, ...lines, `${(bytes / 1e6 / seconds).toFixed(2)} MB/s`, ''].join('\n');
}

function percent(share) {
  return `${(share * 100).toFixed(2)} %`.padStart(9);
}

function checkGoals(found) {
  const { recall, precision } = score(found, withCheckDigit);
  for (const [name, value] of Object.entries({ recall, precision })) {
    const verdict = value >= goals[name] ? 'met' : 'MISSED';
    console.log(
      `with a check digit: ${name.padEnd(9)} ${percent(value)}  ${verdict} (>= ${(goals[name] * 100).toFixed(1)} %)`,
    );
  }
  console.log('');
}

function showMisses(found) {
  for (const [index, { text, spans }] of corpus.entries()) {
    const missed = spans.filter((span) => !found[index].some((other) => covers(other, span)));
    const wrong = found[index].filter((other) => !spans.some((span) => overlaps(other, span)));
    for (const { start, end, kind } of missed) console.log(`missed ${kind}: ${text.slice(start, end)}   in: ${text}`);
    for (const { start, end, kind } of wrong) console.log(`wrong ${kind}: ${text.slice(start, end)}   in: ${text}`);
  }
}

function comparePresidio() {
  console.log('Kinds that both have:\n');
  console.log(renderScores('mlx', ours, presidioKinds));
  for (const threshold of [0, 0.4]) {
    const presidio = askPresidio(threshold);
    console.log(renderScores(`presidio ${presidio.version}, score >= ${threshold}`, presidio, presidioKinds));
  }
}

function askPresidio(threshold) {
  const script = fileURLToPath(new URL('redaction/presidio.py', import.meta.url));
  const [program, ...argv] = [
    'uv',
    'run',
    '--quiet',
    '--no-project',
    '--python',
    '3.11',
    '--with',
    'presidio-analyzer',
    'python',
    script,
  ];
  const { status, stdout, stderr } = spawnSync(program, argv, {
    input: JSON.stringify({ texts, score: threshold }),
    encoding: 'utf8',
    maxBuffer: 2 ** 30,
  });
  if (status !== 0) throw new Error(`presidio ended with status ${status}:\n${stderr}`);
  const { version, seconds, found } = JSON.parse(stdout);
  return { version, seconds, found: found.map((spans, index) => spans.map((span) => inUnits(texts[index], span))) };
}

/** Python counts characters, JavaScript UTF-16 units; the corpus has none beyond the basic plane, and this says so if it ever does. */
function inUnits(text, span) {
  if ([...text].length !== text.length) throw new Error('The corpus has characters of two units.');
  return span;
}
