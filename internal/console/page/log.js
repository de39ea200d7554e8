// What happened to all events.

import { at, list } from './api.js';
import { h, head } from './dom.js';
import { history } from './history.js';

export function logPage(place, _, signal) {
  place.append(head('Log'), h('p', { class: 'hint' }, 'What happened to the input of the events that run, newest first.'),
    h('section', { class: 'panel', 'aria-label': 'Log' },
      history(signal, async () => (await list(at`liveEvents`, signal)).filter((e) => e.properties.resourceState === 'Running').map((e) => e.name), { all: true })));
}
