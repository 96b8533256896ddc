// Owns the writing of one generation. Invariant: `current` changes by one rename, and only once everything
// behind it is whole; owner and mode settle before a name becomes visible; what fails leaves nothing, however
// far it came, and touches nothing of another generation.

import * as fs from 'node:fs';
import { join } from 'node:path';
import { Problem } from '../../domain/problem.ts';
import type { Publication, Published } from '../../ports/files.ts';
import { renameExchange } from '../native/linux.ts';
import { type Access, accessFor, checkReader, type Powers } from './access.ts';
import type { Contents, Print } from './contents.ts';
import { MANIFEST, type Manifest, manifestBytes } from './manifest.ts';
import { remove } from './remove.ts';
import { render } from './render.ts';
import { CURRENT, draftOf, generationOf, linkOf, shown, target } from './task-directory.ts';

const { O_WRONLY, O_CREAT, O_EXCL, O_NOFOLLOW } = fs.constants;

/** Blocking: nothing else of this process runs between the first file and the rename. */
export function publish(
  dir: string,
  publication: Publication,
  powers: Powers,
  contents: Contents,
): Published {
  const { task, n, reader } = publication;
  const access = accessFor(reader, publication.readerGroups, powers);
  letPass(dir, publication, access, powers);
  const home = join(dir, task);
  const draft = draftOf(home, n);
  const passage = forOthers(publication, access) ? 0o751 : 0o750;
  // In a directory that was made just now there is nothing that an earlier publication has left.
  const fresh = makeDirectory(home, access, passage);
  if (!fresh) remove(draft);
  fs.mkdirSync(draft, { mode: 0o700 });
  const { files, prints } = write(draft, publication, access, powers, contents);
  writeWhole(join(draft, MANIFEST), manifestBytes({ task, generation: n, files }), access, access.fileMode);
  settleDirectory(draft, access, passage);
  const before = fresh ? null : shown(home);
  const changed = contents.differ(task, before === null ? null : generationOf(home, before), prints);
  show(home, n, draft, fresh);
  contents.keep(task, prints);
  return { files: files.map(({ file }) => file), changed };
}

/** Undoes what a failed publication has made; the generation that is shown stays, and a directory that was there before. */
export function discard(home: string, n: number, existed: boolean): void {
  remove(draftOf(home, n));
  remove(linkOf(home, n));
  if (shown(home) !== n) remove(generationOf(home, n));
  if (!existed) remove(home);
}

function write(
  draft: string,
  { deliveries, mode, reader }: Publication,
  access: Access,
  powers: Powers,
  contents: Contents,
): { readonly files: Manifest['files']; readonly prints: readonly Print[] } {
  const files: Manifest['files'][number][] = [];
  const prints: Print[] = [];
  for (const delivery of deliveries) {
    for (const rule of delivery.files) {
      const bytes = render(rule, delivery, deliveries);
      try {
        const own = rule.owner === undefined ? access : accessFor(rule.owner, [], powers);
        const bits = rule.mode ?? mode ?? own.fileMode;
        checkReader(rule, bits, rule.owner ?? reader, own, powers);
        writeWhole(join(draft, rule.name), bytes, own, bits);
        prints.push(contents.printOf(rule.name, bytes));
      } finally {
        bytes.fill(0);
      }
      files.push({ file: rule.name, secret: delivery.secret, format: rule.format, bytes: bytes.length });
    }
  }
  return { files, prints };
}

function show(home: string, n: number, draft: string, fresh: boolean): void {
  const generation = generationOf(home, n);
  if (!fresh && shown(home) === n) {
    // Readers are in it: both change places in one step, renameat2(2).
    renameExchange(draft, generation);
    remove(draft);
    return;
  }
  if (!fresh) remove(generation);
  fs.renameSync(draft, generation);
  turn(home, n, fresh);
}

/** Turns `current` to a generation that is whole; in a fresh directory nothing can be in the way. */
export function turn(home: string, n: number, fresh = false): void {
  const link = linkOf(home, n);
  if (!fresh) remove(link);
  fs.symlinkSync(target(n), link);
  fs.renameSync(link, join(home, CURRENT));
}

/**
 * The reader has to pass through the secrets directory. One that the agent made inside a volume root is
 * 0750 and given to the first reader's group; any other is the operator's to open.
 */
function letPass(dir: string, { reader, readerGroups }: Publication, access: Access, powers: Powers): void {
  if (reader.uid === powers.uid || reader.uid === 0) return;
  const { mode, gid } = fs.statSync(dir);
  if ((mode & 0o001) !== 0) return;
  if ((mode & 0o010) !== 0 && [reader.gid, ...readerGroups].includes(gid)) return;
  if ((mode & 0o777) === 0o750 && gid === process.getegid!() && access.gid !== -1) {
    fs.chownSync(dir, -1, access.gid);
    return;
  }
  throw new Problem('DELIVERY_FAILED', `uid ${reader.uid} cannot pass through ${dir}`, {
    hint: `chmod 0711 ${dir}, or give it a group that both share`,
  });
}

/** Some file is meant for more than the reader and its group: then others must reach it by name. */
const forOthers = ({ deliveries, mode }: Publication, access: Access): boolean =>
  deliveries
    .flatMap(({ files }) => files)
    .some(
      (rule) =>
        ((rule.mode ?? mode ?? 0) & 0o007) !== 0 ||
        (rule.owner !== undefined && rule.owner.gid !== access.gid),
    );

/** False when it was there already. */
function makeDirectory(path: string, access: Access, mode: number): boolean {
  let fresh = true;
  try {
    fs.mkdirSync(path, { mode: 0o700 });
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== 'EEXIST') throw error;
    fresh = false;
  }
  settleDirectory(path, access, mode);
  return fresh;
}

function settleDirectory(path: string, access: Access, mode: number): void {
  if (access.gid !== -1) fs.chownSync(path, -1, access.gid);
  fs.chmodSync(path, mode);
}

/** A full tmpfs leaves a truncated file: the size is checked before anything points at it. */
function writeWhole(path: string, bytes: Buffer, access: Access, mode: number): void {
  const fd = fs.openSync(path, O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW, 0o600);
  try {
    for (let done = 0; done < bytes.length; ) done += fs.writeSync(fd, bytes, done);
    if (fs.fstatSync(fd).size !== bytes.length) throw new Error('the file was truncated');
    fs.fchmodSync(fd, mode);
    if (access.uid !== -1 || access.gid !== -1) fs.fchownSync(fd, access.uid, access.gid);
  } finally {
    fs.closeSync(fd);
  }
}
