// All links: what is published, and by which addresses.

import { every, at, list, may } from './api.js';
import { h, button, empty, head } from './dom.js';
import { links, newLocator } from './links.js';

export async function locatorsPage(place, _, signal) {
  let drawn;
  const again = () => { drawn = undefined; };
  const create = (label) => may('publisher') && button(label, () => newLocator(undefined, again), { class: 'primary' });
  const all = h('div', { class: 'stack' });
  all.addEventListener('changed', again);
  place.append(head('Links', create('New link')), h('p', { class: 'hint' }, 'A link (a streaming locator) lets others watch a recording, also while it is being made.'), all);
  await every(3000, signal, async () => {
    const locators = await list(at`streamingLocators`, signal);
    const now = locators.map((l) => l.name).join('\n');
    if (drawn === now) return;
    const made = await Promise.all(locators.map(async (l) => {
      const section = await links(l, signal, { asset: true });
      section.classList.add('panel');
      return section;
    }));
    drawn = now;
    all.replaceChildren(...(made.length > 0 ? made : [empty('Nothing is published', 'Record an event and publish it on the event’s page, or publish a recording here.', create('Publish a recording'))]));
  });
}
