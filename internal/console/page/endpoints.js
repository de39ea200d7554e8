// Streaming endpoints: from where everything published is served.

import { every, at, list, post, may } from './api.js';
import { h, keyed, badge, button, copyable, sure, say, head } from './dom.js';

export async function endpointsPage(place, _, signal) {
  const cards = h('div', { class: 'stack' });
  place.append(head('Endpoints'), h('p', { class: 'hint' }, 'While one runs, everything that is published can be watched. Previews need none.'), cards);
  await every(4000, signal, async () => {
    keyed(cards, await list(at`streamingEndpoints`, signal), (e) => e.name, (e) => card(e), (element, e) => element.update(e));
  });
}

function card(endpoint) {
  const { name } = endpoint;
  const state = h('span', { role: 'status' });
  const verbs = h('div', { class: 'actions' });
  const path = at`streamingEndpoints/${name}`;
  const p = endpoint.properties;
  const element = h('section', { class: 'panel' }, h('div', { class: 'row' }, h('h2', {}, name), state, verbs),
    copyable('Address', `${p.scheme || 'http'}://${p.hostName}`), p.description && h('p', {}, p.description));
  element.update = (e) => {
    const now = e.properties.resourceState;
    if (element.dataset.state === now) return;
    element.dataset.state = now;
    state.replaceChildren(badge(now === 'Running' ? 'live' : now === 'Stopped' ? 'idle' : 'busy', now));
    verbs.replaceChildren(...(!may('publisher') ? [] : now === 'Stopped' ? [button('Start', async () => {
      await post(`${path}/start`);
      say(`${name} runs.`);
    }, { class: 'primary', 'aria-label': `Start ${name}` })] : now === 'Running' ? [button('Stop…', () => sure(`Stop ${name}?`, 'Nobody can watch what is published until it, or another one, is started again.', 'Stop', async () => {
      await post(`${path}/stop`);
      say(`${name} is stopped.`);
    }), { 'aria-label': `Stop ${name}` })] : []));
  };
  return element;
}
