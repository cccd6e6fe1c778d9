import type { User } from '../../api/index.js';
import type { Tx } from '../../store/index.js';

/**
 * All users, as the API shows them. Every write to a user goes through `users/queries.ts`, which stores the new object
 * here; a rollback puts the old one back. Transactions run one at a time, so nobody sees what is not committed but the
 * transaction itself.
 *
 * The official program keeps a copy of the active user for the answers to commands, which some settings do not
 * refresh (receipts, acceptance of member contacts): {@link active} is that copy, {@link get} is what is stored.
 */
export class UserCache {
  readonly #byId = new Map<number, User>();
  readonly #byAgentId = new Map<string, User>();
  #active: User | undefined;

  /** undefined: there is no such user. */
  get(userId: number): User | undefined {
    return this.#byId.get(userId);
  }

  byAgentUser(agentUserId: number): User | undefined {
    return this.#byAgentId.get(String(agentUserId));
  }

  /** In order of their ids. */
  all(): User[] {
    return [...this.#byId.values()].sort((a, b) => a.userId - b.userId);
  }

  /** The active user as commands show it. */
  active(): User | undefined {
    return this.#active;
  }

  /** At start, outside of transactions. */
  load(users: readonly User[]): void {
    this.#byId.clear();
    this.#byAgentId.clear();
    for (const user of users) this.#put(user);
    this.#active = users.find((u) => u.activeUser);
  }

  /** With `keepSettings` the copy of the active user keeps its settings, as the official program does. */
  set(tx: Tx, user: User, keepSettings = false): void {
    const before = this.#byId.get(user.userId);
    const activeBefore = this.#active;
    this.#put(user);
    if (!user.activeUser) {
      if (activeBefore?.userId === user.userId) this.#active = undefined;
    } else if (!keepSettings || activeBefore?.userId !== user.userId) this.#active = user;
    tx.onRollback(() => {
      this.#remove(user);
      if (before !== undefined) this.#put(before);
      this.#active = activeBefore;
    });
  }

  /** Replaces the copy of the active user. */
  setActive(tx: Tx, user: User): void {
    const before = this.#active;
    this.#active = user;
    tx.onRollback(() => {
      this.#active = before;
    });
  }

  delete(tx: Tx, user: User): void {
    const activeBefore = this.#active;
    this.#remove(user);
    if (activeBefore?.userId === user.userId) this.#active = undefined;
    tx.onRollback(() => {
      this.#put(user);
      this.#active = activeBefore;
    });
  }

  #put(user: User): void {
    this.#byId.set(user.userId, user);
    this.#byAgentId.set(user.agentUserId, user);
  }

  #remove(user: User): void {
    this.#byId.delete(user.userId);
    this.#byAgentId.delete(user.agentUserId);
  }
}
