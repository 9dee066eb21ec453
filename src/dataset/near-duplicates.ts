// Training rows that are nearly a held-out row: their scores would measure memory, not skill.
// Near means: of the three-word pieces that two rows have, at least 70 % are in both (Jaccard), after lower-casing, with
// numbers alike and without punctuation; pieces in more than a tenth of the held-out rows (instructions, greetings) do not count.
// Exact, by prefix filtering: two sets that similar must share one of their rarest pieces
// (Chaudhuri et al. 2006, https://doi.org/10.1109/ICDE.2006.9; Bayardo et al. 2007, https://doi.org/10.1145/1242572.1242591).
import { offsetBasis, wordsOf } from './words.js';

export const similarityLimit = 0.7;
/** What bounds the time: rows beyond these are not compared, and the warning says so. */
export const comparedRows = { heldOut: 20_000, train: 200_000 };

const pieceWords = 3;
const boilerplateShare = 0.1;
const fewestPieces = 4;
const candidatesPerRow = 200;
const comparedCharacters = 20_000;
const frequencySlots = 2 ** 22;

export type NearDuplicates = { found: number; compared: { heldOut: number; train: number } };

/** @param heldOut and `train`: each row's text without its system message */
export async function countNearDuplicates(
  heldOut: AsyncIterable<string>,
  train: AsyncIterable<string>,
): Promise<NearDuplicates> {
  const index = await indexTexts(heldOut);
  let found = 0;
  let compared = 0;
  for await (const text of train) {
    if (compared >= comparedRows.train) break;
    compared += 1;
    if (isNear(index, text)) found += 1;
  }
  return { found, compared: { heldOut: index.rows.length, train: compared } };
}

type Index = {
  /** Each held-out row's keys, rarest piece first. */
  rows: Float64Array[];
  /** In how many held-out rows a piece is, at `piece % length`; two pieces that meet there only count as more frequent. */
  frequency: Uint32Array;
  boilerplateFrom: number;
  /** Rows by the keys of their prefix. */
  postings: Map<number, number[]>;
  wholeTexts: Set<number>;
};

async function indexTexts(texts: AsyncIterable<string>): Promise<Index> {
  const pieces: Uint32Array[] = [];
  const frequency = new Uint32Array(frequencySlots);
  const wholeTexts = new Set<number>();
  for await (const text of texts) {
    if (pieces.length >= comparedRows.heldOut) break;
    const words = wordsOf(text.slice(0, comparedCharacters));
    const own = piecesOf(words);
    pieces.push(own);
    wholeTexts.add(wholeKey(words));
    for (const piece of own) frequency[piece % frequencySlots] = (frequency[piece % frequencySlots] ?? 0) + 1;
  }
  const boilerplateFrom = Math.max(10, pieces.length * boilerplateShare);
  const index: Index = { rows: [], frequency, boilerplateFrom, postings: new Map(), wholeTexts };
  for (const own of pieces) {
    const keys = keysOf(index, own).sort();
    const row = index.rows.push(keys) - 1;
    for (const key of keys.subarray(0, prefixLength(keys.length))) {
      const posting = index.postings.get(key);
      if (posting) posting.push(row);
      else index.postings.set(key, [row]);
    }
  }
  return index;
}

function isNear(index: Index, text: string): boolean {
  const words = wordsOf(text.slice(0, comparedCharacters));
  if (index.wholeTexts.has(wholeKey(words))) return true;
  const keys = keysOf(index, piecesOf(words));
  const prefix = prefixLength(keys.length);
  // Below 2^32 the frequency is 0: with so many pieces that no held-out row has, none can be similar.
  let unknown = 0;
  for (const key of keys) if (key < 2 ** 32) unknown += 1;
  if (unknown >= prefix) return false;
  keys.sort();
  const checked = new Set<number>();
  for (const key of keys.subarray(0, prefix)) {
    for (const row of index.postings.get(key) ?? []) {
      if (checked.has(row)) continue;
      if (checked.size >= candidatesPerRow) return false;
      checked.add(row);
      if (jaccard(keys, index.rows[row] ?? new Float64Array()) >= similarityLimit) return true;
    }
  }
  return false;
}

/** Both sorted and without repeats. */
function jaccard(one: Float64Array, other: Float64Array): number {
  let shared = 0;
  let at = 0;
  for (const key of one) {
    while (at < other.length && (other[at] ?? 0) < key) at += 1;
    if (other[at] === key) shared += 1;
  }
  return shared / (one.length + other.length - shared);
}

/** Sets that share at least the limit of their pieces share one of this many first ones, in any common order. */
function prefixLength(size: number): number {
  return size < fewestPieces ? 0 : size - Math.ceil(similarityLimit * size) + 1;
}

/** One number a piece that sorts by its frequency and then by its hash; boilerplate is left out. */
function keysOf(index: Index, pieces: Uint32Array): Float64Array {
  const keys = new Float64Array(pieces.length);
  let length = 0;
  for (const piece of pieces) {
    const frequency = index.frequency[piece % frequencySlots] ?? 0;
    if (frequency > index.boilerplateFrom) continue;
    keys[length] = frequency * 2 ** 32 + piece;
    length += 1;
  }
  return keys.subarray(0, length);
}

/** A hash of each run of three words, sorted, each once. */
function piecesOf(words: Uint32Array): Uint32Array {
  const pieces = new Uint32Array(Math.max(0, words.length - pieceWords + 1));
  for (let start = 0; start < pieces.length; start += 1) {
    let hash = offsetBasis;
    for (let at = start; at < start + pieceWords; at += 1) hash = mix(hash, words[at] ?? 0);
    pieces[start] = hash;
  }
  pieces.sort();
  return pieces.filter((piece, at) => at === 0 || piece !== pieces[at - 1]);
}

function wholeKey(words: Uint32Array): number {
  return (words.reduce(mix, offsetBasis) >>> 0) * 2 ** 20 + (words.reduce(mix, 1) >>> 12);
}

function mix(hash: number, value: number): number {
  const mixed = Math.imul(hash ^ value, 0x01000193);
  return mixed ^ (mixed >>> 15);
}
