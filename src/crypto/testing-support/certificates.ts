import { concat } from '../../wire/index.js';
import { der, derTag } from '../der.js';
import { encodePublicKey, type KeyPair, type SignAlgorithm } from '../keys.js';
import { sign } from '../sign.js';

/** A certificate for tests: every property that validation looks at can be made wrong. */
export interface TestCertificate {
  readonly subject: string;
  readonly issuer: string;
  readonly keys: KeyPair<SignAlgorithm>;
  readonly signer: KeyPair<SignAlgorithm>;
  readonly version?: 1 | 3;
  readonly ca?: boolean;
  /** Years. */
  readonly from?: number;
  readonly to?: number;
}

const oid = (...bytes: number[]) => der(derTag.oid, Uint8Array.from(bytes));
const text = (tag: number, s: string) => der(tag, Buffer.from(s));
const name = (s: string) => der(0x30, der(0x31, der(0x30, oid(0x55, 0x04, 0x03), text(0x0c, s))));

export function makeCertificate(c: TestCertificate): Uint8Array {
  const version = c.version ?? 3;
  const algorithm = der(0x30, oid(0x2b, 0x65, c.signer.publicKey.alg === 'ed25519' ? 0x70 : 0x71));
  const time = (year: number) => text(0x18, `${year}0101000000Z`);
  const isCa = c.ca === true ? Uint8Array.of(0x01, 0x01, 0xff) : new Uint8Array(0);
  const constraints = der(0x30, oid(0x55, 0x1d, 0x13), der(0x04, der(0x30, isCa)));
  const body = der(
    0x30,
    version === 3 ? der(0xa0, der(0x02, Uint8Array.of(2))) : new Uint8Array(0),
    der(0x02, Uint8Array.of(1)),
    algorithm,
    name(c.issuer),
    der(0x30, time(c.from ?? 2020), time(c.to ?? 2040)),
    name(c.subject),
    encodePublicKey(c.keys.publicKey),
    version === 3 ? der(0xa3, der(0x30, constraints)) : new Uint8Array(0),
  );
  const signature = sign(c.signer.privateKey, body);
  return der(0x30, body, algorithm, der(0x03, concat(Uint8Array.of(0), signature)));
}
