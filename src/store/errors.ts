import { FanionError, type FanionErrorOptions } from '../core/index.js';

export type StoreErrorCode =
  | 'STORE_CLOSED'
  | 'STORE_COMMIT'
  | 'STORE_WRONG_KEY'
  | 'STORE_NOT_ENCRYPTED'
  | 'STORE_IN_USE'
  | 'STORE_NEWER'
  | 'STORE_OPEN'
  | 'STORE_MIGRATION';

/** The database cannot be opened or cannot keep what it was given. */
export class StoreError extends FanionError {
  declare readonly code: StoreErrorCode;

  constructor(code: StoreErrorCode, message: string, options?: FanionErrorOptions) {
    super(code, message, options);
  }
}
