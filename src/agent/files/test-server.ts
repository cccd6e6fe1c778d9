import { mkdir, mkdtemp, rm, writeFile } from 'node:fs/promises';
import path from 'node:path';
import { generateKeyPair, sha256 } from '../../crypto/index.js';
import { formatServer, parseServerWithAuth } from '../../smp/index.js';
import type { XftpClient } from '../../xftp/index.js';
import type { ServerText, UserId } from '../types.js';
import type { FileContext } from './context.js';
import { toFileAgentError } from './errors.js';
import type { XftpTestFailure } from './types.js';

const testSize = 65_536;

/** Goes through the life of a chunk on the server; undefined when all is well (40-xftp, section 6.5). */
export async function testXftpServer(
  ctx: FileContext,
  userId: UserId,
  serverText: ServerText,
): Promise<XftpTestFailure | undefined> {
  const { server, basicAuth } = parseServerWithAuth(serverText, 'xftp');
  const address = formatServer(server);
  await mkdir(ctx.workFolder, { recursive: true, mode: 0o700 });
  const folder = await mkdtemp(path.join(ctx.workFolder, 'test-'));
  let testStep: XftpTestFailure['testStep'] = 'connect';
  let client: XftpClient | undefined;
  try {
    client = await ctx.sessions.connect(userId, address);
    const content = ctx.random.bytes(testSize);
    const file = path.join(folder, 'chunk');
    await writeFile(file, content);
    const [sender, recipient] = [generateKeyPair('ed25519', ctx.random), generateKeyPair('ed25519', ctx.random)];
    const chunk = { size: testSize, digest: sha256(content) };
    testStep = 'createFile';
    const ids = await client.createChunk(sender, chunk, [recipient.publicKey], basicAuth);
    testStep = 'uploadFile';
    const sndReplica = { id: ids.senderId, key: sender.privateKey };
    await client.uploadChunk(sndReplica, { path: file, offset: 0, size: testSize });
    testStep = 'downloadFile';
    const rcvReplica = { id: ids.recipientIds[0] ?? new Uint8Array(0), key: recipient.privateKey };
    await client.downloadChunk(rcvReplica, chunk, path.join(folder, 'downloaded'));
    testStep = 'deleteFile';
    await client.deleteChunk(sndReplica);
    return undefined;
  } catch (e) {
    // A difference between what went up and what came down is an error of the download, as in official programs.
    return { testStep, testError: toFileAgentError(e, address).json };
  } finally {
    client?.close();
    await rm(folder, { recursive: true, force: true });
  }
}
