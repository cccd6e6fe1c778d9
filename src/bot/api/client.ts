import {
  type ApiResponse,
  type CommandName,
  type CommandParams,
  type CommandResponses,
  cmdString,
  commandInfo,
} from '../../api/index.js';
import { ChatApiError, UnexpectedResponseError } from '../errors.js';
import { ApiCommands } from './commands.generated.js';

/** Executes command strings: a transport, or anything like it. */
export interface CommandExecutor {
  /** Answers one command; errors of the engine are answers too. */
  execute(command: string): Promise<ApiResponse>;
}

/**
 * The bot API with one method per command: typed parameters in, typed responses out, errors thrown.
 * {@link ChatApiError} holds what the engine answered.
 */
export class ApiClient extends ApiCommands {
  readonly #executor: CommandExecutor;

  constructor(executor: CommandExecutor) {
    super();
    this.#executor = executor;
  }

  async run<K extends CommandName>(name: K, params: CommandParams[K]): Promise<CommandResponses[K]> {
    const response = await this.#executor.execute(cmdString[name](params));
    if (response.type === 'chatCmdError') throw new ChatApiError(name, response.chatError);
    if (!isResponseOf(name, response)) throw new UnexpectedResponseError(name, response);
    return response;
  }

  /**
   * Executes the text of a command, such as `/_show_address 1`: for commands without a method.
   * @throws ChatApiError
   */
  async execute(command: string): Promise<ApiResponse> {
    const response = await this.#executor.execute(command);
    if (response.type === 'chatCmdError') throw new ChatApiError(commandWord(command), response.chatError);
    return response;
  }
}

function isResponseOf<K extends CommandName>(name: K, response: ApiResponse): response is CommandResponses[K] {
  const tags: readonly string[] = commandInfo[name].responses;
  return tags.includes(response.type);
}

/** `/_send` of a command: its parameters are nobody's business. */
function commandWord(command: string): string {
  return /^\/\w+/.exec(command)?.[0] ?? 'the command';
}
