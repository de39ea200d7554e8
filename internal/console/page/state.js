// What an event is doing, in words and colours. Colour never says it alone.

import { get, ask, at, list, text } from './api.js';

// describe says the state of an event by its resource and, when it runs, its status.
export function describe(event, status) {
  const state = event.properties.resourceState;
  switch (state) {
    case 'Running': {
      if (!status) return { kind: 'idle', text: 'Running', receiving: false };
      const receiving = Boolean(status.ingestion?.begin && !status.ingestion.end);
      return receiving ? { kind: 'live', text: 'Live', receiving } : { kind: 'wait', text: 'Waiting for the encoder', receiving };
    }
    case 'Stopped': return { kind: 'idle', text: 'Stopped', receiving: false };
    case 'StandBy': return { kind: 'idle', text: 'Standing by', receiving: false };
    default: return { kind: 'busy', text: `${state}…`, receiving: false };
  }
}

export const healthKind = { Excellent: 'good', Good: 'fair', Poor: 'poor' };

// status of a running event, undefined of another.
export async function statusOf(event, signal) {
  if (event.properties.resourceState !== 'Running') return undefined;
  return (await ask(at`liveEvents/${event.name}/getStatus`, signal)).value[0];
}

// audiences counts viewers by asset: the metrics tell of all at once.
async function audiences(signal) {
  const [metrics, locators] = await Promise.all([text('/metrics', signal), list(at`streamingLocators`, signal)]);
  const of = new Map();
  for (const [, id, n] of metrics.matchAll(/^headwater_locator_viewers\{locator="([^"]+)"\} (\S+)$/gm)) {
    const asset = locators.find((l) => l.properties.streamingLocatorId === id)?.properties.assetName.toLowerCase();
    of.set(asset, (of.get(asset) ?? 0) + Number(n));
  }
  return of;
}

// overview lists all events with status, outputs and how many watch.
export async function overview(signal) {
  const [events, viewers] = await Promise.all([list(at`liveEvents`, signal), audiences(signal)]);
  return Promise.all(events.map(async (event) => {
    if (event.properties.resourceState !== 'Running') return { event, outputs: [] };
    const [status, outputs] = await Promise.all([statusOf(event, signal), list(at`liveEvents/${event.name}/liveOutputs`, signal)]);
    return { event, status, outputs, watching: outputs.reduce((sum, o) => sum + (viewers.get(o.properties.assetName.toLowerCase()) ?? 0), 0) };
  }));
}

export const load = (name, signal) => get(at`liveEvents/${name}`, signal);
