// What happened to everything.

import { h, head } from './dom.js';
import { history } from './history.js';

export function logPage(place, _, signal) {
  place.append(head('Log'), h('section', { class: 'panel', 'aria-label': 'Log' }, history(signal)));
}
