import type { User } from '../../api/index.js';
import type { Tx } from '../../store/index.js';

/**
 * All users, as the API shows them. Every write to a user goes through `users/queries.ts`, which stores the new object
 * here; a rollback puts the old one back. Transactions run one at a time, so nobody sees what is not committed but the
 * transaction itself.
 */
export class UserCache {
  readonly #byId = new Map<number, User>();
  readonly #byAgentId = new Map<string, User>();

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

  active(): User | undefined {
    for (const user of this.#byId.values()) if (user.activeUser) return user;
    return undefined;
  }

  /** At start, outside of transactions. */
  load(users: readonly User[]): void {
    this.#byId.clear();
    this.#byAgentId.clear();
    for (const user of users) this.#put(user);
  }

  set(tx: Tx, user: User): void {
    const before = this.#byId.get(user.userId);
    this.#put(user);
    tx.onRollback(() => {
      this.#remove(user);
      if (before !== undefined) this.#put(before);
    });
  }

  delete(tx: Tx, user: User): void {
    this.#remove(user);
    tx.onRollback(() => this.#put(user));
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
