import { existsSync } from 'node:fs';
import { Command } from 'commander';
import { FanionError } from '../core/index.js';
import { changeSqliteKey } from '../store/index.js';

interface KeyFlags {
  readonly database: string;
  readonly key?: string;
  readonly newKey?: string;
  readonly decrypt?: boolean;
}

/** `fanion key`: encrypts a database, changes its key, or decrypts it, while no program uses it. */
export function keyCommand(): Command {
  return new Command('key')
    .description('Encrypt a database, change its key, or decrypt it. Stop the program that uses it first.')
    .requiredOption('-d, --database <prefix>', 'prefix of the database file')
    .option('-k, --key <key>', 'the key it has; none if it is not encrypted (or FANION_KEY in the environment)')
    .option('--new-key <key>', 'the key it gets (or FANION_NEW_KEY in the environment)')
    .option('--decrypt', 'leave it without key')
    .action(async (flags: KeyFlags) => {
      const oldKey = flags.key ?? process.env.FANION_KEY ?? '';
      const newKey = flags.newKey ?? process.env.FANION_NEW_KEY ?? '';
      const file = `${flags.database}_fanion.db`;
      if ((newKey !== '') === (flags.decrypt === true)) throw new FanionError('USAGE', 'give --new-key or --decrypt');
      if (!existsSync(file)) throw new FanionError('USAGE', `there is no database ${file}`);
      if (oldKey === newKey) throw new FanionError('USAGE', 'the database has that key already');
      await changeSqliteKey(file, oldKey, newKey);
      process.stdout.write(
        flags.decrypt === true ? 'The database is not encrypted any more.\n' : 'The database has the new key.\n',
      );
    });
}
