import { describe, expect, it } from 'vitest';
import { SmpClientError } from './failures.js';
import {
  chooseEndpoint,
  type IsolationKey,
  isAddressProtected,
  networkConfig,
  socksLogin,
  socksUser,
} from './network.js';
import { parseServer } from './server.js';

const both = parseServer('smp://1234-w==@smp1.example.org,abc.onion');
const onionOnly = parseServer('smp://1234-w==@abc.onion:5000');
const preset = parseServer('smp://1234-w==@smp8.simplex.im,abc.onion');
const socksProxy = { host: '127.0.0.1', port: 9050, auth: { kind: 'isolate' } } as const;

const hostFailure = (f: () => unknown): unknown => {
  try {
    return f();
  } catch (e) {
    return e instanceof SmpClientError ? e.failure : e;
  }
};

describe('the endpoint of an address', () => {
  it('is the public host without SOCKS and the onion host with it', () => {
    expect(chooseEndpoint(both, networkConfig())).toEqual({ host: 'smp1.example.org', port: 5223, socks: undefined });
    expect(chooseEndpoint(both, networkConfig({ socksProxy }))).toEqual({
      host: 'abc.onion',
      port: 5223,
      socks: socksProxy,
    });
    const open = networkConfig({ socksProxy, hostMode: 'public' });
    expect(chooseEndpoint(both, open)).toEqual({ host: 'smp1.example.org', port: 5223, socks: socksProxy });
    const onlyOnion = networkConfig({ socksProxy, socksMode: 'onion', hostMode: 'public' });
    expect(chooseEndpoint(both, onlyOnion).socks).toBeUndefined();
  });

  it('is an error where a host is required that the address does not have, or SOCKS that is not there', () => {
    const config = networkConfig({ socksProxy, hostMode: 'public', requiredHostMode: true });
    expect(hostFailure(() => chooseEndpoint(onionOnly, config))).toEqual({ type: 'host' });
    expect(hostFailure(() => chooseEndpoint(onionOnly, networkConfig()))).toEqual({ type: 'host' });
    expect(chooseEndpoint(onionOnly, networkConfig({ socksProxy }))).toMatchObject({ host: 'abc.onion', port: 5000 });
  });

  it('has port 443 for preset servers, the port of the address where there is one', () => {
    expect(chooseEndpoint(preset, networkConfig()).port).toBe(443);
    expect(chooseEndpoint(preset, networkConfig({ webPort: 'off' })).port).toBe(5223);
    expect(chooseEndpoint(both, networkConfig({ webPort: 'all' })).port).toBe(443);
    expect(chooseEndpoint(parseServer('smp://1234-w==@smp8.simplex.im:5223'), networkConfig()).port).toBe(5223);
    expect(hostFailure(() => chooseEndpoint(parseServer('smp://1234-w==@h:99999'), networkConfig()))).toEqual({
      type: 'host',
    });
  });

  it('tells whether the IP address is protected', () => {
    expect(isAddressProtected(both, networkConfig())).toBe(false);
    expect(isAddressProtected(both, networkConfig({ socksProxy }))).toBe(true);
    expect(isAddressProtected(both, networkConfig({ hostMode: 'onion' }))).toBe(true);
  });
});

describe('SOCKS logins', () => {
  const key: IsolationKey = { userId: 1, server: both, entity: 'conn1', sessionTime: 't1' };

  it('differ by what the session mode separates, and by nothing else', () => {
    const changes: Partial<IsolationKey>[] = [
      { userId: 2 },
      { sessionTime: 't2' },
      { server: preset },
      { entity: 'conn2' },
    ];
    const separated = { user: 1, session: 2, server: 3, entity: 4 } as const;
    for (const [mode, n] of Object.entries(separated)) {
      const user = (c: Partial<IsolationKey>): string => socksUser(mode as keyof typeof separated, { ...key, ...c });
      expect(changes.map((c) => user(c) !== user({}))).toEqual([0, 1, 2, 3].map((i) => i < n));
    }
  });

  it('are none, fixed, or isolating', () => {
    expect(socksLogin({ ...socksProxy, auth: { kind: 'none' } }, 'user', key)).toBeUndefined();
    const auth = { kind: 'password', user: 'u', password: 'p' } as const;
    expect(socksLogin({ ...socksProxy, auth }, 'user', key)).toEqual({ user: 'u', password: 'p' });
    expect(socksLogin(socksProxy, 'session', key)).toEqual({ user: socksUser('session', key), password: '' });
  });
});
