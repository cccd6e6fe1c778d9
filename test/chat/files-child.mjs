// An engine in a process of its own, to be killed: node files-child.mjs <folder> <options of openLocalEngine as JSON>
// Uses the compiled program: FANION_DIST, or dist. Commands come as messages, answers and events go out as messages.
import path from 'node:path';
import { pathToFileURL } from 'node:url';

const [folder, json = '{}'] = process.argv.slice(2);
const dist = path.resolve(process.env.FANION_DIST ?? 'dist');
const { openLocalEngine } = await import(pathToFileURL(path.join(dist, 'chat/index.js')).href);

const { engine } = await openLocalEngine({
  database: { kind: 'sqlite', path: path.join(folder, 'chat.db') },
  filesFolder: path.join(folder, 'files'),
  tempFolder: path.join(folder, 'work'),
  ...JSON.parse(json),
});
engine.listen(({ event }) => process.send({ event }));
process.on('message', async ({ id, command, count }) => {
  if (command !== undefined) process.send({ id, response: await engine.execute(command) });
  else {
    const logged = await engine.events.since(0, 10_000);
    process.send({ id, response: logged.filter((e) => JSON.parse(e.json).type === count).length });
  }
});
await engine.start();
process.send({ event: { type: 'ready' } });
