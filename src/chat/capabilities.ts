import type { Capability } from './engine/capability.js';

/** Everything that the engine can do: one entry for each folder of this room. */
export const capabilities: readonly Capability[] = [];
