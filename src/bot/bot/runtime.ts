import type { User } from '../../api/index.js';
import type { ApiClient } from '../api/client.js';
import type { DownloadOptions } from './context.js';
import type { Sender } from './message.js';
import type { DoneSteps } from './steps.js';

/** What contexts need of a started bot. */
export interface BotRuntime {
  readonly api: ApiClient;
  readonly sender: Sender;
  readonly steps: DoneSteps;
  readonly user: User;
  download(fileId: number, options: DownloadOptions): Promise<string>;
}
