// A program of its own that captures without end, one word a line for what became of it: bundled and killed by captures.test.ts.
//   capture-writer FOLDER NAME
// `kept NAME-7` after a row was acknowledged, `refused` when the disk took none, `moved` after rows went into a file.
import { journalFile, rotateCaptures } from '../../src/capture/store.js';
import { errorCode, MlxError } from '../../src/errors.js';
import { openCaptureJournal } from '../../src/ledger/captures.js';
import { waitingRow } from '../unit/capture/row-example.js';

const [folder = '', name = ''] = process.argv.slice(2);
const say = (line: string) => void process.stdout.write(`${line}\n`);
const answer = JSON.stringify('x'.repeat(20_000));
const journal = openCaptureJournal(journalFile(folder));
for (let at = 0; ; at += 1) {
  const requestId = `${name}-${at}`;
  try {
    journal.insert([waitingRow({ requestId, startedAtMs: Date.now(), answer: `${answer}${at}` })]);
    say(`kept ${requestId}`);
    if (at % 5 === 4 && (await rotateCaptures(folder, journal, Date.now(), true))) say('moved');
  } catch (error) {
    const full = (error instanceof MlxError && error.code === 'DISK_FULL') || errorCode(error) === 'ENOSPC';
    if (!full) throw error;
    say('refused');
  }
  await new Promise(setImmediate);
}
