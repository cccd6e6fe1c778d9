import type {
  CIContent,
  FullGroupPreferences,
  GroupFeature,
  GroupInfo,
  GroupMember,
  GroupMemberRole,
  GroupPreferences,
  Preferences,
  SimplePreference,
} from '../../api/index.js';
import { atLeast } from './roles.js';

/** Features in the order of their items (60, section 2.10); sessions have none. */
export const shownGroupFeatures = [
  'timedMessages',
  'directMessages',
  'fullDelete',
  'reactions',
  'voice',
  'files',
  'simplexLinks',
  'reports',
  'history',
] as const satisfies readonly GroupFeature[];

const defaultTtl = 86_400;

/** Every preference, with the defaults of 60-groups.md, section 2.10. */
export function fullGroupPreferences(p: GroupPreferences | undefined): FullGroupPreferences {
  return {
    timedMessages: p?.timedMessages ?? { enable: 'off', ttl: defaultTtl },
    directMessages: p?.directMessages ?? { enable: 'off' },
    fullDelete: p?.fullDelete ?? { enable: 'off' },
    reactions: p?.reactions ?? { enable: 'on' },
    voice: p?.voice ?? { enable: 'on' },
    files: p?.files ?? { enable: 'on' },
    simplexLinks: p?.simplexLinks ?? { enable: 'on' },
    reports: p?.reports ?? { enable: 'on' },
    history: p?.history ?? { enable: 'off' },
    sessions: p?.sessions ?? { enable: 'off' },
    commands: p?.commands ?? [],
  };
}

/** The feature is on, whatever role it may need. */
export function featureAllowed(group: GroupInfo, feature: GroupFeature): boolean {
  return group.fullGroupPreferences[feature].enable === 'on';
}

/** The feature is on, and for this member's role. */
export function featureAllowedFor(group: GroupInfo, feature: GroupFeature, member: GroupMember): boolean {
  const preference: { readonly enable: string; readonly role?: GroupMemberRole | undefined } =
    group.fullGroupPreferences[feature];
  return preference.enable === 'on' && (preference.role === undefined || atLeast(member.memberRole, preference.role));
}

interface FeatureState {
  readonly enable: 'on' | 'off';
  readonly param: number | undefined;
  readonly role: GroupMemberRole | undefined;
}

/** Time and role count only while the feature is on. */
function featureState(p: FullGroupPreferences, feature: GroupFeature): FeatureState {
  const preference: {
    readonly enable: 'on' | 'off';
    readonly ttl?: number | undefined;
    readonly role?: GroupMemberRole | undefined;
  } = p[feature];
  const on = preference.enable === 'on';
  return {
    enable: preference.enable,
    param: on && feature === 'timedMessages' ? preference.ttl : undefined,
    role: on ? preference.role : undefined,
  };
}

function featureContent(p: FullGroupPreferences, groupFeature: GroupFeature, sent: boolean): CIContent {
  const { enable, param, role } = featureState(p, groupFeature);
  return {
    type: sent ? 'sndGroupFeature' : 'rcvGroupFeature',
    groupFeature,
    preference: { enable },
    param,
    memberRole_: role,
  };
}

/** Item contents that tell all preferences of a group. */
export function featureContents(p: FullGroupPreferences, sent: boolean): CIContent[] {
  return shownGroupFeatures.map((f) => featureContent(p, f, sent));
}

/** Item contents of the features that differ. */
export function changedFeatureContents(
  before: FullGroupPreferences,
  after: FullGroupPreferences,
  sent: boolean,
): CIContent[] {
  return shownGroupFeatures
    .filter((f) => {
      const a = featureState(before, f);
      const b = featureState(after, f);
      return a.enable !== b.enable || a.param !== b.param || a.role !== b.role;
    })
    .map((f) => featureContent(after, f, sent));
}

/**
 * Preferences of a new business chat (60, section 2.10): the defaults, over which the preferences in the business's
 * profile go when it has any.
 */
export function businessPreferences(own: Preferences | undefined): GroupPreferences {
  const defaults: GroupPreferences = {
    timedMessages: { enable: 'off' },
    directMessages: { enable: 'off' },
    fullDelete: { enable: 'on', role: 'moderator' },
    reactions: { enable: 'on' },
    voice: { enable: 'off' },
    files: { enable: 'on' },
    simplexLinks: { enable: 'on' },
    reports: { enable: 'off' },
    history: { enable: 'on' },
    sessions: { enable: 'on' },
  };
  if (own === undefined) return defaults;
  const enable = (p: SimplePreference | undefined, absent: 'on' | 'off' = 'off'): 'on' | 'off' =>
    p === undefined ? absent : p.allow === 'no' ? 'off' : 'on';
  return {
    ...defaults,
    timedMessages: { enable: enable(own.timedMessages), ttl: own.timedMessages?.ttl },
    fullDelete: { enable: enable(own.fullDelete) },
    reactions: { enable: enable(own.reactions, 'on') },
    voice: { enable: enable(own.voice) },
    files: { enable: enable(own.files) },
    sessions: { enable: enable(own.sessions) },
    commands: own.commands,
  };
}
