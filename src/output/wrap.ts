// Lines for people, broken at words where the terminal would break them anywhere. A command that a person is to copy stays whole: one
// that is longer than the terminal is wide is broken by the terminal itself, which copies it back without a break.
// Our own: wrap-ansi knows nothing of commands, and brings tables of wide letters that each start would load. Pure.
import { stripVTControlCharacters } from 'node:util';

/** A word, or a command of several, and the spaces before it. */
type Unit = { gap: number; text: string };

/** Below it nothing reads well, however it is broken. */
const narrowest = 40;
/** Behind a longer word the lines that follow would have too little room. */
const widestLabel = 24;
/** Of prettier, and of the text that commands add to their help. */
const sourceWidth = 140;
const programs = new Set(
  'docker git npm npx sudo apt apt-get systemctl journalctl loginctl rm chmod curl export pip uv'.split(' '),
);
/** What goes on after a command that stands in a sentence. */
const afterCommand = new Set(
  'or and then shows show says tells takes names starts with without when where while until is are does can in for to if, if'.split(
    ' ',
  ),
);

/** Lines that fit, and rows of tables, stay as they are; Infinity: all of them. */
export function wrapText(text: string, width: number): string {
  if (width === Infinity || width < narrowest) return text;
  return text
    .split('\n')
    .map((line) => (visibleLength(line) <= width ? line : wrapLine(line, width)))
    .join('\n');
}

/** Help: its paragraphs are lines of up to 140 columns in the source, which are joined before they are broken anew. */
export function wrapHelp(text: string, width: number): string {
  if (width >= sourceWidth) return text;
  const lines = text.split('\n').reduce<string[]>((joined, line, index, all) => {
    const before = joined.at(-1);
    if (before === undefined || !isSameParagraph(all[index - 1] ?? '', before, line)) return [...joined, line];
    return [...joined.slice(0, -1), `${before} ${line.trimStart()}`];
  }, []);
  return wrapText(lines.join('\n'), width);
}

/** Nobody ends a line of the source early but at the end of a paragraph, or where the next word was too long. */
function isSameParagraph(previous: string, paragraph: string, line: string): boolean {
  if (previous.length < sourceWidth - 30 || line.trim() === '') return false;
  const indent = line.length - line.trimStart().length;
  return indent === hangOf(unitsOf(paragraph)) && !/^\s*mlx /.test(previous);
}

function wrapLine(line: string, width: number): string {
  const units = unitsOf(line);
  // A row of a table, whose columns say more than its words.
  if (units.slice(1).filter(({ gap }) => gap > 1).length > 1) return line;
  const hang = ' '.repeat(hangOf(units));
  const lines: string[] = [];
  let last = '';
  for (const [index, { gap, text }] of units.entries()) {
    const longer = last + ' '.repeat(gap) + text;
    if (index === 0 || visibleLength(longer) <= width) {
      last = longer;
      continue;
    }
    lines.push(last);
    last = hang + text;
  }
  return [...lines, last].join('\n');
}

/**
 * Where the lines that follow begin: below what stands behind a label (`next   `, `  worse   `) or a number (`  2. `), right of a command
 * that is explained, else as the first.
 */
function hangOf(units: readonly Unit[]): number {
  const [first, second] = units;
  if (!first || !second) return 0;
  if (second.gap > 1 && first.text.includes(' ')) return first.gap + 4;
  if (/^(\d+\.|[-*])$/.test(first.text)) return first.gap + first.text.length + 1;
  return labelWidth(units) ?? first.gap;
}

/** `✓ docker engine     `: up to what is set off by more than a space. */
function labelWidth(units: readonly Unit[]): number | undefined {
  let width = 0;
  for (const [index, { gap, text }] of units.entries()) {
    if (index > 0 && gap > 1) return width + gap <= widestLabel ? width + gap : undefined;
    width += gap + visibleLength(text);
    if (width > widestLabel) return undefined;
  }
  return undefined;
}

function unitsOf(line: string): Unit[] {
  const units: Unit[] = [];
  const words = [...line.matchAll(/( *)([^ ]+)/g)].map(([, gap = '', text = '']) => ({ gap: gap.length, text }));
  let inCommand = false;
  for (const [index, { gap, text }] of words.entries()) {
    const before = words[index - 1]?.text;
    const unit = units.at(-1);
    inCommand = inCommand && gap === 1 && goesOn(unit?.text ?? '', text);
    if (inCommand && unit) unit.text += ` ${text}`;
    else units.push({ gap, text });
    inCommand ||= startsCommand(before, text, words[index + 1]?.text);
  }
  return units;
}

function startsCommand(before: string | undefined, word: string, after: string | undefined): boolean {
  const plain = stripVTControlCharacters(word);
  const name = plain.replace(/^[("'`]+/, '');
  if (name === 'mlx' || /^[A-Z][A-Z_]*=\S+$/.test(name)) return /^[a-z-]/.test(stripVTControlCharacters(after ?? ''));
  const introduced = before === undefined || /[:,(]$/.test(stripVTControlCharacters(before)) || name !== plain;
  return introduced && (programs.has(name) || /^--[a-z]/.test(name));
}

/** A command ends with its sentence, at its backtick, or where the sentence goes on without it; not inside of quotes. */
function goesOn(command: string, word: string): boolean {
  const quotes = [command.matchAll(/"/g), command.matchAll(/(?<!\w)'|'(?!\w)/g)];
  if (quotes.some((found) => [...found].length % 2 === 1)) return true;
  return !/[,;.:)]$|`\W*$/.test(stripVTControlCharacters(command)) && !word.startsWith('(') && !afterCommand.has(word);
}

/** Without colour codes. */
function visibleLength(text: string): number {
  return stripVTControlCharacters(text).length;
}
