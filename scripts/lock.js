// A lock file for scripts: waits while another living process holds it, takes it over from a dead one.
// The owner is the pid with the start time of that process, so that a reused pid does not hold a lock for ever.
import { linkSync, readFileSync, renameSync, rmSync, writeFileSync } from 'node:fs';

const pollMs = 200;

export async function withLock(path, say, work) {
  const mine = `${path}.${process.pid}`;
  writeFileSync(mine, ownerOf(process.pid) ?? `${process.pid}`);
  // process.exit() inside the work must give the lock back too.
  const release = () => rmSync(path, { force: true });
  try {
    let told = false;
    while (!take(mine, path)) {
      if (!told)
        say(`Another process (pid ${readOwner(path)?.split(':')[0] ?? '?'}) does the same; waiting for it ...`);
      told = true;
      await new Promise((resolve) => setTimeout(resolve, pollMs));
    }
  } finally {
    rmSync(mine, { force: true });
  }
  process.once('exit', release);
  process.once('SIGINT', () => process.exit(130));
  process.once('SIGTERM', () => process.exit(143));
  try {
    return await work();
  } finally {
    release();
    process.removeListener('exit', release);
  }
}

/** link() fails when the name exists, and never leaves a file without its contents, as open('wx') would for a moment. */
function take(mine, path) {
  try {
    linkSync(mine, path);
    return true;
  } catch (error) {
    if (error.code !== 'EEXIST') throw error;
  }
  const owner = readOwner(path);
  if (owner !== undefined && ownerOf(Number(owner.split(':')[0])) !== owner) removeDeadLock(path, owner);
  return false;
}

/** Moved away before it is judged: of two that find a dead lock, one moves it and the other finds nothing. */
function removeDeadLock(path, owner) {
  const aside = `${path}.dead-${process.pid}`;
  try {
    renameSync(path, aside);
  } catch {
    return;
  }
  if (readOwner(aside) !== owner) {
    // A living process took the lock in between: give it back.
    try {
      linkSync(aside, path);
    } catch {
      // Somebody else holds it by now; that one goes on alone only after this one's owner has ended.
    }
  }
  rmSync(aside, { force: true });
}

function readOwner(path) {
  try {
    return readFileSync(path, 'utf8');
  } catch {
    return undefined;
  }
}

function ownerOf(pid) {
  try {
    const stat = readFileSync(`/proc/${pid}/stat`, 'utf8');
    return `${pid}:${stat.slice(stat.lastIndexOf(')') + 2).split(' ')[19]}`;
  } catch (error) {
    if (error.code === 'ENOENT' && process.platform === 'linux') return undefined;
  }
  try {
    process.kill(pid, 0);
    return `${pid}:0`;
  } catch (error) {
    return error.code === 'EPERM' ? `${pid}:0` : undefined;
  }
}
