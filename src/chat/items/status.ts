import type { CIFileStatus, CIStatus, GroupSndStatus } from '../../api/index.js';

/** A status as a column: its type when it has no fields, else its JSON. */
export function statusColumn(status: CIStatus | CIFileStatus | GroupSndStatus): string {
  for (const key in status) if (key !== 'type') return JSON.stringify(status);
  return status.type;
}

const plain = new Map<string, CIStatus>(
  (['sndNew', 'sndErrorAuth', 'rcvNew', 'rcvRead'] as const).map((type) => [type, { type }]),
);

const complete: CIStatus = { type: 'sndSent', sndProgress: 'complete' };
const completeColumn = statusColumn(complete);

/** The status that {@link statusColumn} made the column of. */
export function itemStatusOf(column: string): CIStatus {
  const status = plain.get(column);
  if (status !== undefined) return status;
  if (column === completeColumn) return complete;
  if (column.startsWith('{')) return JSON.parse(column) as CIStatus;
  return { type: 'invalid', text: column };
}

/** As {@link itemStatusOf} for files. */
export function fileStatusOf(column: string): CIFileStatus {
  return (column.startsWith('{') ? JSON.parse(column) : { type: column }) as CIFileStatus;
}

/** As {@link itemStatusOf} for the status of a group item at one member. */
export function groupSndStatusOf(column: string): GroupSndStatus {
  return (column.startsWith('{') ? JSON.parse(column) : { type: column }) as GroupSndStatus;
}
