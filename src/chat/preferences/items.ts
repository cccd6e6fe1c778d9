import type { AChatItem, CIContent, Contact, ContactUserPreference, User } from '../../api/index.js';
import type { Tx } from '../../store/index.js';
import type { ChatContext } from '../engine/context.js';
import { createDirectItems, type ServiceItem } from '../items/create.js';
import { type ShownFeature, shownFeatures } from './merge.js';

/** State of a feature: who may use it, and the time of disappearing messages when the user may. */
function featureState(feature: ShownFeature, p: ContactUserPreference) {
  return { enabled: p.enabled, param: p.enabled.forUser ? param(feature, p.userPreference.preference.ttl) : undefined };
}

function param(feature: ShownFeature, ttl: number | undefined): number | undefined {
  return feature === 'timedMessages' ? ttl : undefined;
}

/** The items of a new contact: one for each feature (50, section 3.6). */
export function enabledFeatureItems(contact: Contact): ServiceItem[] {
  return shownFeatures.map((feature) => {
    const state = featureState(feature, contact.mergedPreferences[feature]);
    return { content: { type: 'rcvChatFeature', feature, enabled: state.enabled, param: state.param } };
  });
}

/**
 * What changed between two states of a contact, as item contents: the state of a feature, or, while that stays, an
 * offer. `sent`: the user changed it, otherwise the contact.
 */
export function changedFeatureItems(before: Contact, after: Contact, sent: boolean): ServiceItem[] {
  const items: ServiceItem[] = [];
  for (const feature of shownFeatures) {
    const from = before.mergedPreferences[feature];
    const to = after.mergedPreferences[feature];
    const content = changedFeature(feature, from, to, sent);
    if (content !== undefined) items.push({ content });
  }
  return items;
}

function changedFeature(
  feature: ShownFeature,
  from: ContactUserPreference,
  to: ContactUserPreference,
  sent: boolean,
): CIContent | undefined {
  const stateBefore = featureState(feature, from);
  const state = featureState(feature, to);
  if (
    state.enabled.forUser !== stateBefore.enabled.forUser ||
    state.enabled.forContact !== stateBefore.enabled.forContact ||
    state.param !== stateBefore.param
  ) {
    return { type: sent ? 'sndChatFeature' : 'rcvChatFeature', feature, enabled: state.enabled, param: state.param };
  }
  const offer = (p: ContactUserPreference) => {
    const { allow, ttl } = sent ? p.userPreference.preference : p.contactPreference;
    return { allow, param: allow === 'no' ? undefined : param(feature, ttl) };
  };
  const offered = offer(to);
  const offeredBefore = offer(from);
  if (offered.allow === offeredBefore.allow && offered.param === offeredBefore.param) return undefined;
  return {
    type: sent ? 'sndChatPreference' : 'rcvChatPreference',
    feature,
    allowed: offered.allow,
    param: offered.param,
  };
}

/** Stores the items of what changed; see {@link changedFeatureItems}. */
export async function createChangedFeatureItems(
  ctx: ChatContext,
  tx: Tx,
  user: User,
  before: Contact,
  after: Contact,
  sent: boolean,
): Promise<AChatItem[]> {
  return createDirectItems(ctx, tx, user, after, sent, changedFeatureItems(before, after, sent));
}
