import type { CreatedConnLink } from '../../types.generated.js';
import type { CommandInput } from '../input.js';

/** Links and server addresses in commands: recognised by their looks, parsed by whoever uses them. */

/** Full and short links by their looks; the agent parses them. */
const fullLink = /^(?:simplex:\/|https:\/\/[^\s/?#]+\/)(?:invitation|contact)\/?#?\/?\?\S*smp=/;

const shortLink = /^(?:simplex:\/|https:\/\/[^\s/?#]+\/)[iagcIAGC](?:[?][^\s#]*)?#\S/;

/** What a word is, judged by its beginning: a full or a short connection link, or neither. */
export function linkKind(word: string): 'full' | 'short' | undefined {
  return fullLink.test(word) ? 'full' : shortLink.test(word) ? 'short' : undefined;
}

/** A full link and, after a space, an optional short one. */
export function createdLink(p: CommandInput): CreatedConnLink {
  const start = p.pos;
  const connFullLink = p.word('a full connection link');
  if (linkKind(connFullLink) !== 'full') {
    p.pos = start;
    p.fail('a full connection link');
  }
  const connShortLink = p.optional(() => {
    p.space();
    const at = p.pos;
    const word = p.word('a short connection link');
    if (linkKind(word) !== 'short') {
      p.pos = at;
      p.fail('a short connection link');
    }
    return word;
  });
  return connShortLink === undefined ? { connFullLink } : { connFullLink, connShortLink };
}

const serverAddress = /^(smp|xftp):\/\/[A-Za-z0-9_-]+={0,2}(?::[^\s@:/]+)?@[^\s@:/,;]+(?:,[^\s@:/,;]+)*(?::\d{1,5})?$/;

/** `smp://<fingerprint>[:password]@host[,host][:port]` up to white space. */
export function serverWord(p: CommandInput, protocol?: 'smp' | 'xftp'): { protocol: 'smp' | 'xftp'; server: string } {
  const start = p.pos;
  const what = `a server address (${protocol ?? 'smp or xftp'}://…)`;
  const server = p.word(what);
  // IPv6 hosts are in brackets and contain colons: look at what is around them.
  const plain = server.replace(/\[[0-9A-Fa-f:.]{2,45}\]/, 'ipv6');
  const found = serverAddress.exec(plain)?.[1];
  if ((found !== 'smp' && found !== 'xftp') || (protocol !== undefined && found !== protocol)) {
    p.pos = start;
    p.fail(what);
  }
  return { protocol: found, server };
}
