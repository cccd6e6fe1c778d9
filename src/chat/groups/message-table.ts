import { acceptanceReceived } from './acceptance.js';
import { changeMessages } from './change-receive.js';
import { contentMessages } from './content-receive.js';
import { directInvitationReceived } from './direct-invitation.js';
import type { GroupMessageTable } from './group-message.js';
import { memberAnnounced } from './member-announcements.js';
import { groupDeleted, memberLeft, memberRemoved, memberRestricted, roleChanged } from './member-changes.js';
import {
  introForwarded,
  introInvitationReceived,
  memberIntroduced,
  membersConnected,
} from './member-intro-messages.js';
import { probeCheckReceived, probeOkReceived, probeReceived } from './probes.js';
import { groupInfoReceived, groupPrefsReceived, hostProfileReceived, memberInfoReceived } from './profile-messages.js';

/** What x.* messages of members do (60, section 4.2). */
export const groupMessages: GroupMessageTable = {
  ...contentMessages,
  ...changeMessages,
  'x.info': memberInfoReceived,
  'x.grp.link.mem': hostProfileReceived,
  'x.grp.link.acpt': acceptanceReceived,
  'x.grp.mem.new': memberAnnounced,
  'x.grp.mem.intro': memberIntroduced,
  'x.grp.mem.inv': introInvitationReceived,
  'x.grp.mem.fwd': introForwarded,
  'x.grp.mem.con': membersConnected,
  'x.grp.mem.con.all': async () => {},
  'x.grp.mem.role': roleChanged,
  'x.grp.mem.restrict': memberRestricted,
  'x.grp.mem.del': memberRemoved,
  'x.grp.leave': memberLeft,
  'x.grp.del': groupDeleted,
  'x.grp.info': groupInfoReceived,
  'x.grp.prefs': groupPrefsReceived,
  'x.grp.direct.inv': directInvitationReceived,
  'x.info.probe': (ctx, tx, m) =>
    probeReceived(ctx, tx, m.user, { type: 'member', group: m.group, member: m.member }, m.event.probe),
  'x.info.probe.check': (ctx, tx, m) =>
    probeCheckReceived(ctx, tx, m.user, { type: 'member', group: m.group, member: m.member }, m.event.probeHash),
  'x.info.probe.ok': (ctx, tx, m) =>
    probeOkReceived(ctx, tx, m.user, { type: 'member', group: m.group, member: m.member }, m.event.probe),
};
