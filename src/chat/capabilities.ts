import { acceptReplies, requestCommands } from './addresses/accept.js';
import { addressCommands } from './addresses/commands.js';
import { addressEvents } from './addresses/receive.js';
import { connectionCommands } from './connections/commands.js';
import { contactCommands, directChatCommands, pendingConnectionCommands } from './contacts/commands.js';
import { contactEvents } from './contacts/events.js';
import { contactMessages } from './contacts/receive.js';
import type { Capability } from './engine/capability.js';
import { files } from './files/index.js';
import { groups } from './groups/index.js';
import { lifecycleCommands } from './lifecycle/commands.js';
import { networkEvents } from './lifecycle/events.js';
import { messages } from './messages/index.js';
import { serverCommands } from './servers/commands.js';
import { userCommands } from './users/commands.js';
import { profileCommands } from './users/profile-commands.js';

/** Everything that the engine can do: entries for each folder of this room. */
export const capabilities: readonly Capability[] = [
  { commands: lifecycleCommands, otherEvents: networkEvents },
  { commands: serverCommands },
  { commands: userCommands },
  { commands: profileCommands },
  { commands: addressCommands, addressEvents },
  { commands: requestCommands, asyncReplies: acceptReplies },
  { commands: connectionCommands, byChatType: { contactConnection: pendingConnectionCommands } },
  {
    commands: contactCommands,
    byChatType: { direct: directChatCommands },
    contactEvents,
    directMessages: contactMessages,
  },
  messages,
  groups,
  files,
];
