// A plain node:http2 server that stores and gives one file: what files.js compares XFTP with.
// Run by files.js: node files-plain.js <folder>; prints its port.
import { createReadStream, createWriteStream } from 'node:fs';
import { performServerHandshake } from 'node:http2';
import path from 'node:path';
import { pipeline } from 'node:stream/promises';
import { createServer } from 'node:tls';
import { systemClock, systemRandom } from '../dist/core/index.js';
import { createIdentity, toPem } from '../dist/relay/index.js';
import { xftpTlsParameters, xftpWindows } from '../dist/xftp/index.js';

const file = path.join(process.argv[2], 'plain');
const identity = createIdentity({ kind: 'xftp', host: 'localhost', now: systemClock.now(), random: systemRandom });
const options = {
  cert: identity.chain.map((der) => toPem('CERTIFICATE', der)).join(''),
  key: toPem('PRIVATE KEY', identity.leafKey),
  ...xftpTlsParameters,
  ALPNProtocols: ['h2'],
};
const server = createServer(options, (socket) => {
  socket.on('error', () => {});
  socket.setNoDelay(true);
  const session = performServerHandshake(socket, { settings: { initialWindowSize: xftpWindows.stream } });
  session.setLocalWindowSize(xftpWindows.connection);
  session.on('error', () => {});
  session.on('stream', (stream, headers) => {
    stream.on('error', () => {});
    stream.respond({ ':status': 200 });
    if (headers[':method'] === 'GET') void pipeline(createReadStream(file, { highWaterMark: 262_144 }), stream);
    else void pipeline(stream, createWriteStream(file)).then(() => stream.end());
  });
});
server.listen(0, '127.0.0.1', () => console.log(server.address().port));
process.on('disconnect', () => process.exit());
