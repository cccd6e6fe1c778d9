import { FanionError } from '../core/index.js';

/** Input from outside that is not what the encoding allows. Names the field and the position in bytes or characters. */
export class DecodeError extends FanionError {
  readonly field: string;
  readonly problem: string;
  readonly offset: number;

  constructor(field: string, problem: string, offset: number, cause?: unknown) {
    super('DECODE', `${field} at ${offset}: ${problem}`, { cause, details: { field, offset } });
    this.field = field;
    this.problem = problem;
    this.offset = offset;
  }
}

/** A value that the encoding cannot hold: a mistake of ours, or a limit that the caller must check first. */
export class EncodeError extends FanionError {
  constructor(field: string, problem: string) {
    super('ENCODE', `${field}: ${problem}`, { details: { field } });
  }
}
