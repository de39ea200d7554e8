// Drives a Headwater with Microsoft's own, unmodified JavaScript SDK for Azure Media Services: every resource is created,
// read, changed, listed, polled and deleted, and refused what AMS refuses. Called as
//
//   NODE_EXTRA_CA_CERTS=<data-dir>/control.crt node azure.mjs https://127.0.0.1:8081 <data-dir>/control.token
//
// It prints a line per step, and ends with an error at the first thing that is not as it should be.

import assert from 'node:assert/strict';
import { readFile } from 'node:fs/promises';
import { AzureMediaServices } from '@azure/arm-mediaservices';

const [endpoint, tokenFile] = process.argv.slice(2);
const token = (await readFile(tokenFile, 'utf8')).trim();
const credential = { getToken: async () => ({ token, expiresOnTimestamp: Date.now() + 3600_000 }) };
const client = new AzureMediaServices(credential, '00000000-0000-0000-0000-000000000000', { endpoint, retryOptions: { maxRetries: 0 } });
const here = ['headwater', 'headwater'];

const step = (text) => console.log(text);

// refused wants an error with that status and code, and a sentence.
async function refused(statusCode, code, promise) {
  await assert.rejects(promise, (error) => {
    assert.equal(error.statusCode, statusCode, `${error.statusCode} ${error.message}`);
    assert.equal(error.code, code);
    assert.ok(error.message.length > 10);
    return true;
  });
}

async function all(pages) {
  const items = [];
  for await (const item of pages) items.push(item);
  return items;
}

const event = () => ({
  location: 'local', tags: { k: 'v' }, description: 'd', useStaticHostname: true, streamOptions: ['LowLatency'],
  input: {
    streamingProtocol: 'RTMP', keyFrameIntervalDuration: 'PT2S',
    accessControl: { ip: { allow: [{ name: 'AllowAll', address: '0.0.0.0', subnetPrefixLength: 0 }, { name: 'one', address: '127.0.0.1' }] } },
  },
  encoding: { encodingType: 'PassthroughStandard' },
});

async function account() {
  const { mediaservices } = client;
  assert.equal((await mediaservices.get(...here)).name, 'headwater');
  assert.equal((await all(mediaservices.listBySubscription())).length, 1);
  assert.equal((await all(mediaservices.list('headwater'))).length, 1);
  assert.deepEqual((await mediaservices.beginUpdateAndWait(...here, { tags: { a: 'b' } })).tags, { a: 'b' });
  const put = await mediaservices.beginCreateOrUpdateAndWait(...here, { location: 'local', tags: { c: 'd' } });
  assert.deepEqual(put.tags, { c: 'd' });
  await refused(409, 'Conflict', mediaservices.delete(...here));
  await refused(404, 'ResourceNotFound', mediaservices.get('headwater', 'another'));
}

async function liveEvents() {
  const { liveEvents } = client;
  const poller = await liveEvents.beginCreate(...here, 'show', event(), { autoStart: true });
  const made = await poller.pollUntilDone();
  assert.equal(made.resourceState, 'Running');
  assert.equal(made.provisioningState, 'Succeeded');
  assert.deepEqual(made.tags, { k: 'v' });
  assert.equal(made.input.accessControl.ip.allow[0].subnetPrefixLength, 0);
  assert.equal(made.input.accessControl.ip.allow[1].subnetPrefixLength, undefined);
  assert.match(made.input.endpoints[0].url, /^rtmp:\/\/127\.0\.0\.1:\d+\/live\/[0-9a-f]{32}$/);
  assert.ok(made.created instanceof Date && made.systemData.createdAt instanceof Date);
  await refused(409, 'Conflict', liveEvents.beginCreate(...here, 'SHOW', event()));
  await refused(409, 'Conflict', liveEvents.beginStart(...here, 'show'));
  await refused(409, 'Conflict', liveEvents.beginDelete(...here, 'show'));
  await refused(400, 'BadRequest', liveEvents.beginCreate(...here, 'no', { ...event(), input: { streamingProtocol: 'FragmentedMP4' } }));
  await refused(404, 'NotFound', liveEvents.get(...here, 'none'));

  const read = await liveEvents.get(...here, 'show');
  read.description = 'read, modified, written';
  const changed = await liveEvents.beginUpdateAndWait(...here, 'show', read);
  assert.equal(changed.description, 'read, modified, written');
  assert.equal(changed.input.accessToken, made.input.accessToken);
  await liveEvents.beginResetAndWait(...here, 'show');
  await liveEvents.beginStopAndWait(...here, 'show', { removeOutputsOnStop: true });
  assert.equal((await liveEvents.get(...here, 'show')).resourceState, 'Stopped');
  await liveEvents.beginAllocateAndWait(...here, 'show');
  assert.equal((await liveEvents.get(...here, 'show')).resourceState, 'StandBy');

  // A poller goes on from its saved state, as in another process.
  const starting = await liveEvents.beginStart(...here, 'show');
  const resumed = await liveEvents.beginStart(...here, 'show', { resumeFrom: starting.toString() });
  await resumed.pollUntilDone();
  const again = await liveEvents.get(...here, 'show');
  assert.equal(again.resourceState, 'Running');
  assert.equal(again.input.endpoints[0].url, made.input.endpoints[0].url);
  assert.equal(again.preview.endpoints[0].url, made.preview.endpoints[0].url);
  assert.deepEqual((await all(liveEvents.list(...here))).map((e) => e.name), ['show']);
}

async function assets() {
  const { assets, assetFilters, accountFilters, tracks } = client;
  for (let i = 0; i < 7; i++) {
    const made = await assets.createOrUpdate(...here, `as ${i}`, { alternateId: 'x', description: 'déjà <vu>' });
    assert.equal(made.container, `asset-${made.assetId}`);
  }
  const some = await all(assets.list(...here, { filter: "name gt 'as 1' and properties/alternateId eq 'x'", orderby: 'name desc', top: 3 }));
  assert.deepEqual(some.map((a) => a.name), ['as 6', 'as 5', 'as 4']);
  assert.equal((await assets.get(...here, 'as 1')).description, 'déjà <vu>');
  assert.equal((await assets.update(...here, 'as 1', { description: 'new' })).alternateId, 'x');
  await refused(400, 'BadRequest', assets.update(...here, 'as 1', { container: 'another' }));
  await refused(400, 'BadRequest', assets.listContainerSas(...here, 'as 1', { permissions: 'Read', expiryTime: new Date() }));
  await refused(400, 'BadRequest', assets.getEncryptionKey(...here, 'as 1'));
  assert.deepEqual((await assets.listStreamingLocators(...here, 'as 1')).streamingLocators, []);

  const filter = {
    firstQuality: { bitrate: 128000 },
    presentationTimeRange: { startTimestamp: 10000000, liveBackoffDuration: 60000000, presentationWindowDuration: Number.MAX_SAFE_INTEGER, timescale: 10000000, forceEndTimestamp: false },
    tracks: [{ trackSelections: [{ property: 'Type', operation: 'Equal', value: 'Audio' }] }],
  };
  for (const of of [[accountFilters, []], [assetFilters, ['as 1']]]) {
    const [filters, owner] = of;
    const made = await filters.createOrUpdate(...here, ...owner, 'f1', filter);
    assert.equal(made.presentationTimeRange.startTimestamp, 10000000);
    assert.equal((await filters.update(...here, ...owner, 'f1', { firstQuality: { bitrate: 64000 } })).firstQuality.bitrate, 64000);
    assert.equal((await filters.get(...here, ...owner, 'f1')).tracks[0].trackSelections[0].value, 'Audio');
    assert.equal((await all(filters.list(...here, ...owner))).length, 1);
    await refused(400, 'BadRequest', filters.createOrUpdate(...here, ...owner, 'f2', { presentationTimeRange: { forceEndTimestamp: true } }));
    await filters.delete(...here, ...owner, 'f1');
    await filters.delete(...here, ...owner, 'f1');
    await refused(404, 'NotFound', filters.get(...here, ...owner, 'f1'));
  }
  assert.deepEqual(await all(tracks.list(...here, 'as 1')), []);
  await refused(404, 'NotFound', tracks.get(...here, 'as 1', 'v1'));
  await refused(400, 'BadRequest', tracks.beginCreateOrUpdate(...here, 'as 1', 't', { track: { odataType: '#Microsoft.Media.TextTrack', fileName: 'a.vtt' } }));
  await tracks.beginDeleteAndWait(...here, 'as 1', 'none');
}

async function publishing() {
  const { liveOutputs, streamingLocators, streamingPolicies, contentKeyPolicies, liveEvents, assets } = client;
  const made = await liveOutputs.beginCreateAndWait(...here, 'show', 'out', {
    assetName: 'as 1', archiveWindowLength: 'PT1H30M', rewindWindowLength: 'PT30M', manifestName: 'evening', hls: { fragmentsPerTsSegment: 5 }, outputSnapTime: 0,
  });
  assert.equal(made.resourceState, 'Running');
  assert.equal(made.hls.fragmentsPerTsSegment, 5);
  await refused(409, 'Conflict', liveOutputs.beginCreate(...here, 'show', 'out', { assetName: 'as 2', archiveWindowLength: 'PT1H' }));
  await refused(400, 'BadRequest', liveOutputs.beginCreate(...here, 'show', 'long', { assetName: 'as 2', archiveWindowLength: 'PT26H' }));
  await refused(409, 'Conflict', liveEvents.beginStop(...here, 'show', {}));
  await refused(409, 'Conflict', assets.delete(...here, 'as 1'));
  assert.equal((await all(liveOutputs.list(...here, 'show'))).length, 1);
  assert.equal((await liveOutputs.get(...here, 'show', 'out')).assetName, 'as 1');

  const protocols = { hls: true, dash: true, download: false, smoothStreaming: false };
  await streamingPolicies.create(...here, 'mine', { noEncryption: { enabledProtocols: protocols } });
  await refused(409, 'Conflict', streamingPolicies.create(...here, 'mine', { noEncryption: { enabledProtocols: protocols } }));
  await refused(400, 'BadRequest', streamingPolicies.create(...here, 'locked', { envelopeEncryption: { enabledProtocols: protocols } }));
  await refused(400, 'BadRequest', streamingPolicies.delete(...here, 'Predefined_ClearKey'));
  assert.equal((await streamingPolicies.get(...here, 'mine')).noEncryption.enabledProtocols.dash, true);
  assert.equal((await all(streamingPolicies.list(...here))).length, 7);
  await refused(400, 'BadRequest', contentKeyPolicies.createOrUpdate(...here, 'k', { options: [] }));
  assert.deepEqual(await all(contentKeyPolicies.list(...here)), []);
  await contentKeyPolicies.delete(...here, 'k');

  const id = '0f0e0d0c-0b0a-4908-8706-050403020100';
  const locator = { assetName: 'as 1', streamingPolicyName: 'mine', streamingLocatorId: id, startTime: new Date(Date.now() - 3600_000), endTime: new Date(Date.now() + 3600_000) };
  assert.equal((await streamingLocators.create(...here, 'loc', locator)).streamingLocatorId, id);
  await refused(409, 'Conflict', streamingLocators.create(...here, 'loc', locator));
  await refused(400, 'BadRequest', streamingLocators.create(...here, 'no', { assetName: 'none', streamingPolicyName: 'mine' }));
  assert.equal((await streamingLocators.get(...here, 'loc')).endTime.getTime(), locator.endTime.getTime());
  assert.equal((await all(streamingLocators.list(...here, { filter: `properties/endTime gt ${new Date().toISOString()}` }))).length, 1);
  assert.equal((await assets.listStreamingLocators(...here, 'as 1')).streamingLocators[0].name, 'loc');
  const { streamingPaths } = await streamingLocators.listPaths(...here, 'loc');
  assert.deepEqual(streamingPaths.map((p) => [p.streamingProtocol, p.paths[0]]),
    [['Hls', `/${id}/evening.ism/manifest(format=m3u8-cmaf)`], ['Dash', `/${id}/evening.ism/manifest(format=mpd-time-cmaf)`]]);
  assert.deepEqual((await streamingLocators.listContentKeys(...here, 'loc')).contentKeys, []);
  await streamingLocators.delete(...here, 'loc');
  await streamingLocators.delete(...here, 'loc');
  await streamingPolicies.delete(...here, 'mine');
}

async function endpoints() {
  const { streamingEndpoints } = client;
  const host = (await streamingEndpoints.get(...here, 'default')).hostName;
  assert.match(host, /^127\.0\.0\.1:\d+$/);
  const made = await streamingEndpoints.beginCreateAndWait(...here, 'e2', { location: 'local', scaleUnits: 0, maxCacheAge: 20, customHostNames: ['live.example'] });
  assert.equal(made.resourceState, 'Stopped');
  assert.equal(made.sku.name, 'Standard');
  await streamingEndpoints.beginStartAndWait(...here, 'e2');
  await refused(409, 'Conflict', streamingEndpoints.beginStart(...here, 'e2'));
  await streamingEndpoints.beginScaleAndWait(...here, 'e2', { scaleUnit: 1 });
  const changed = await streamingEndpoints.beginUpdateAndWait(...here, 'e2', { location: 'local', description: 'x' });
  assert.deepEqual([changed.description, changed.scaleUnits, changed.maxCacheAge], ['x', 1, 20]);
  assert.equal((await streamingEndpoints.skus(...here, 'e2')).value.length, 2);
  assert.equal((await all(streamingEndpoints.list(...here))).length, 2);
  await streamingEndpoints.beginStopAndWait(...here, 'e2');
  await streamingEndpoints.beginDeleteAndWait(...here, 'e2');
}

async function cleanUp() {
  const { liveEvents, liveOutputs, assets } = client;
  await liveOutputs.beginDeleteAndWait(...here, 'show', 'out');
  await liveEvents.beginStopAndWait(...here, 'show', {});
  for (let i = 0; i < 2; i++) await liveEvents.beginDeleteAndWait(...here, 'show'); // the second finds nothing, and that is no error
  for (const a of await all(assets.list(...here))) await assets.delete(...here, a.name);
  assert.deepEqual(await all(liveEvents.list(...here)), []);
  assert.deepEqual(await all(assets.list(...here)), []);
}

for (const part of [account, liveEvents, assets, publishing, endpoints, cleanUp]) {
  const began = Date.now();
  await part();
  step(`${part.name}: ${Date.now() - began} ms`);
}
