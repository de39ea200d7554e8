// What an event is doing, in words and colours. Colour never says it alone.

import { get, ask, at, list } from './api.js';

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

// all events with status and outputs.
export async function overview(signal) {
  const events = await list(at`liveEvents`, signal);
  return Promise.all(events.map(async (event) => {
    if (event.properties.resourceState !== 'Running') return { event, outputs: [] };
    const [status, outputs] = await Promise.all([statusOf(event, signal), list(at`liveEvents/${event.name}/liveOutputs`, signal)]);
    return { event, status, outputs };
  }));
}

export const load = (name, signal) => get(at`liveEvents/${name}`, signal);
