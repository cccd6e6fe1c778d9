import { prepare, type Tx } from '../../store/index.js';
import { chatFailure, storeFailure } from '../engine/errors.js';

const isPunctuation = (c: string): boolean => /\p{P}/u.test(c);
const isSpace = (c: string): boolean => /\s/u.test(c);
const isMark = (c: string): boolean => /\p{M}/u.test(c);
const canStart = (c: string): boolean => /[\p{L}\p{N}\p{S}]/u.test(c);

/** Code points that a display name may have. */
const maxNameLength = 50;

/** The nearest valid display name (70-bot-api.md, section 2.3); equal to `name` when that is valid. */
export function validName(name: string): string {
  const out: string[] = [];
  let previous: string | undefined;
  let punctuation = 0;
  for (const c of name) {
    if (!follows(previous, punctuation, c)) continue;
    previous = isSpace(c) ? ' ' : c;
    out.push(previous);
    if (isPunctuation(c)) punctuation++;
    else if (!isSpace(c)) punctuation = 0;
  }
  return out.slice(0, maxNameLength).join('').replace(/ +$/, '');
}

/** Whether `c` may come after `previous`, in a name whose last run of punctuation has `punctuation` characters. */
function follows(previous: string | undefined, punctuation: number, c: string): boolean {
  if (c === "'") return false;
  if (previous === undefined) return c > ' ' && c !== '#' && c !== '@' && canStart(c);
  if (isSpace(previous)) return canStart(c) || (punctuation === 0 && isPunctuation(c));
  if (isPunctuation(previous)) return canStart(c) || isSpace(c) || (punctuation < 3 && isPunctuation(c));
  return canStart(c) || isSpace(c) || isMark(c) || isPunctuation(c);
}

/** Throws `invalidDisplayName` unless the name is valid. */
export function checkName(displayName: string): void {
  const valid = validName(displayName);
  if (displayName === '' || valid !== displayName) {
    throw chatFailure({ type: 'invalidDisplayName', displayName, validName: valid });
  }
}

const maxSuffix = prepare<{ userId: number; base: string }, { suffix: number | null }>((db, p) =>
  db
    .selectFrom('display_names')
    .select((e) => e.fn.max('ldn_suffix').as('suffix'))
    .where('user_id', '=', p('userId'))
    .where('ldn_base', '=', p('base')),
);

const nameExists = prepare<{ userId: number; name: string }, { local_display_name: string }>((db, p) =>
  db
    .selectFrom('display_names')
    .select('local_display_name')
    .where('user_id', '=', p('userId'))
    .where('local_display_name', '=', p('name')),
);

const insertName = prepare<{ userId: number; name: string; base: string; suffix: number; now: number }>((db, p) =>
  db.insertInto('display_names').values({
    user_id: p('userId'),
    local_display_name: p('name'),
    ldn_base: p('base'),
    ldn_suffix: p('suffix'),
    created_at: p('now'),
  }),
);

const maxAttempts = 20;

/** Takes a local name for `displayName` in the profile's one name space: `bob`, then `bob_1` … (50, section 2.2). */
export async function allocateName(tx: Tx, userId: number, displayName: string, now: number): Promise<string> {
  const row = await maxSuffix.first(tx, { userId, base: displayName });
  let suffix = row === undefined || row.suffix === null ? 0 : row.suffix + 1;
  for (let i = 0; i < maxAttempts; i++, suffix++) {
    const name = suffix === 0 ? displayName : `${displayName}_${suffix}`;
    if ((await nameExists.first(tx, { userId, name })) !== undefined) continue;
    await insertName.run(tx, { userId, name, base: displayName, suffix, now });
    return name;
  }
  throw storeFailure({ type: 'duplicateName' });
}

/** Takes exactly this name, for the user: `duplicateName` when somebody has it. */
export async function takeName(tx: Tx, userId: number, name: string, now: number): Promise<void> {
  if ((await nameExists.first(tx, { userId, name })) !== undefined) throw storeFailure({ type: 'duplicateName' });
  const row = await maxSuffix.first(tx, { userId, base: name });
  // A name that was taken and freed may have left its suffix 0 behind in names made from it.
  const suffix = row === undefined || row.suffix === null ? 0 : row.suffix + 1;
  await insertName.run(tx, { userId, name, base: name, suffix, now });
}

/** Gives a name back. */
export async function freeName(tx: Tx, userId: number, name: string): Promise<void> {
  await tx.db
    .deleteFrom('display_names')
    .where('user_id', '=', userId)
    .where('local_display_name', '=', name)
    .execute();
}

/** Gives a name back unless a contact, request, group or member of the user still has it. */
export async function freeUnusedName(tx: Tx, userId: number, name: string): Promise<void> {
  await tx.execute(
    `DELETE FROM display_names WHERE user_id = ? AND local_display_name = ?
     AND NOT EXISTS (SELECT 1 FROM contacts c WHERE c.user_id = ? AND c.local_display_name = ?)
     AND NOT EXISTS (SELECT 1 FROM contact_requests r WHERE r.user_id = ? AND r.local_display_name = ?)
     AND NOT EXISTS (SELECT 1 FROM groups g WHERE g.user_id = ? AND g.local_display_name = ?)
     AND NOT EXISTS (SELECT 1 FROM group_members m WHERE m.user_id = ? AND m.local_display_name = ?)`,
    [userId, name, userId, name, userId, name, userId, name, userId, name],
  );
}
