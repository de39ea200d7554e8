// One live event: its picture, its signal, how to send to it, what it records and publishes.

import { every, at, ask, get, list, post, put, remove, may, media } from './api.js';
import { h, set, keyed, badge, button, field, copyable, dialog, sure, say, head, when, period } from './dom.js';
import { describe, load, statusOf } from './state.js';
import { signalPanel } from './signal.js';
import { keep } from './player.js';
import { links, publish } from './links.js';
import { history } from './history.js';

export async function eventPage(place, [name], signal) {
  const state = h('span', { class: 'state', role: 'status' });
  const verbs = h('div', { class: 'actions' });
  const picture = stage(signal);
  const sound = signalPanel();
  const send = h('div', { class: 'encoder' });
  const outputs = outputsPanel(name, signal);
  place.append(
    h('p', { class: 'crumb' }, h('a', { href: '#/events' }, 'Events')),
    head(name, verbs, state),
    h('div', { class: 'columns' },
      h('div', { class: 'column' }, picture.element, sound.element, h('section', { class: 'panel past' }, h('h2', {}, 'What happened'), history(signal, `liveEvent/${name}`))),
      h('div', { class: 'column' }, h('section', { class: 'panel', 'aria-label': 'Send' }, h('h2', {}, 'Send'), send), outputs.element)),
  );
  let shown = '';
  await every(2000, signal, async () => {
    const event = await load(name, signal);
    const status = await statusOf(event, signal);
    const report = status && await ask(at`liveEvents/${name}/getDoctorReport`, signal);
    const d = describe(event, status);
    if (state.dataset.text !== d.text) state.replaceChildren(badge(d.kind, state.dataset.text = d.text));
    if (shown !== event.properties.resourceState) {
      shown = event.properties.resourceState;
      verbs.replaceChildren(...actions(event));
      const settings = encoder(event);
      if (!send.hasChildNodes()) send.append(...settings);
    }
    picture.update(event, d);
    sound.update(d, status, report);
    await outputs.update(event);
  });
}

// actions are what can be done with the event now.
function actions(event) {
  if (!may('operator')) return [];
  const { name } = event;
  const state = event.properties.resourceState;
  const path = at`liveEvents/${name}`;
  const running = state === 'Running' || state === 'StandBy';
  return [
    (state === 'Stopped' || state === 'StandBy') && button('Start', async () => {
      await post(`${path}/start`);
      say(`${name} runs.`);
    }, { class: 'primary' }),
    running && button('Stop…', () => sure(`Stop ${name}?`, 'The encoder is disconnected and recordings end. They stay, and replay under the same links.', 'Stop', async () => {
      // Ending the outputs first makes each a recording; a stop alone is refused while there are some.
      await post(`${path}/stop`, { removeOutputsOnStop: true });
      say(`${name} is stopped.`);
    })),
    state === 'Running' && button('Reset…', () => sure(`Reset ${name}?`, 'The encoder is disconnected and its timeline begins anew. This is refused while something records.', 'Reset', async () => {
      await post(`${path}/reset`);
      say(`${name} is reset.`);
    }), { class: 'quiet' }),
    state === 'Stopped' && button('Delete…', () => sure(`Delete ${name}?`, 'Its stream key will not work any more. Its recordings stay.', 'Delete', async () => {
      await remove(path);
      say(`${name} is deleted.`);
      location.hash = '#/events';
    }), { class: 'quiet' }),
  ].filter(Boolean);
}

// stage shows the preview while something comes in.
function stage(signal) {
  const words = h('p', { class: 'words' });
  const behind = h('span', { class: 'chip' });
  const frame = h('div', { class: 'picture big' }, words);
  let life;
  let handle;
  const tick = setInterval(() => {
    const s = handle?.latency();
    set(behind, Number.isFinite(s) ? `${s.toFixed(1)} s behind` : '');
  }, 500);
  signal.addEventListener('abort', () => {
    clearInterval(tick);
    life?.abort();
  });
  return {
    element: h('section', { 'aria-label': 'Preview' }, frame),
    update(event, d) {
      if (d.receiving && !life) {
        life = new AbortController();
        const video = h('video', { id: 'preview', muted: true, autoplay: true, playsinline: true, controls: true, 'aria-label': `Preview of ${event.name}` });
        video.muted = true;
        frame.replaceChildren(video, behind);
        handle = keep(video, media(event.properties.preview.previewLocator), life.signal, { follow: true });
      } else if (!d.receiving) {
        life?.abort();
        life = handle = undefined;
        if (!words.isConnected) frame.replaceChildren(words);
        set(words, event.properties.resourceState === 'Running' ? 'Nothing comes in yet. Start your encoder.' : event.properties.resourceState === 'Stopped' ? 'Start the event to see its picture.' : d.text);
      }
    },
  };
}

// encoder tells what to enter in OBS and ffmpeg.
function encoder(event) {
  const { input } = event.properties;
  const keyFrames = period(input.keyFrameIntervalDuration || 'PT2S').replace(/ s$/, '');
  const server = input.endpoints[0]?.url ?? '';
  const setting = (what, value) => h('div', {}, h('dt', {}, what), h('dd', {}, value));
  const ffmpeg = `ffmpeg -re -i INPUT -c:v libx264 -preset veryfast -b:v 4M -maxrate 4M -bufsize 8M -force_key_frames "expr:gte(t,n_forced*${keyFrames})" -sc_threshold 0 -pix_fmt yuv420p -c:a aac -b:a 128k -f flv ${server}/${event.name}`;
  return [
    h('p', { class: 'hint' }, 'OBS: Settings → Stream → Service ', h('b', {}, 'Custom…')),
    copyable('Server', server, { secret: true }),
    copyable('Stream key', event.name),
    h('p', { class: 'hint' }, 'The server address is secret: who has it can send. The key may be anything.'),
    h('h3', {}, 'OBS: Settings → Output'),
    h('dl', { class: 'settings' },
      setting('Keyframe interval', `${keyFrames} s`), setting('Rate control', 'CBR, 2500–6000 kbit/s'), setting('Encoder', 'H.264, profile high'), setting('Audio', 'AAC, 128–192 kbit/s, 48 kHz')),
    h('details', {}, h('summary', {}, 'ffmpeg, and other addresses'), copyable('ffmpeg', ffmpeg, { secret: true }),
      ...input.endpoints.slice(1).map((e, i) => copyable(`Server ${i + 2} (${new URL(e.url).protocol.replace(':', '').toUpperCase()})`, e.url, { secret: true }))),
  ];
}

// outputsPanel shows what is recorded, and where it is published.
function outputsPanel(name, signal) {
  const rows = h('div', { class: 'outputs' });
  const nothing = h('p', { class: 'hint' }, 'Nothing is recorded or published yet. The preview above is for you alone.');
  const foot = h('p', { class: 'actions' });
  const element = h('section', { class: 'panel', 'aria-label': 'Record and publish' }, h('h2', {}, 'Record and publish'), nothing, rows, foot);
  let drawn = '';
  element.addEventListener('changed', () => { drawn = ''; });
  const update = async () => {
    const outputs = await list(at`liveEvents/${name}/liveOutputs`, signal);
    nothing.hidden = outputs.length > 0;
    keyed(rows, outputs, (o) => o.name, (o) => output(name, o));
    for (const row of rows.children) await row.update(signal, drawn === '');
    const want = `${outputs.length > 0}`;
    if (drawn !== want) {
      drawn = want;
      foot.replaceChildren(...(may('operator') ? [
        outputs.length === 0 && may('publisher') && button('Record and publish', () => begin(name), { class: 'primary' }),
        button('Add an output…', () => newOutput(name, outputs)),
      ].filter(Boolean) : []));
    }
  };
  return { element, update };
}

// begin records and publishes, as `headwater live start` does.
async function begin(name) {
  const asset = `${name}-${new Date().toISOString().replace(/[-:]|\..*/g, '').replace('T', '-')}`;
  await put(at`assets/${asset}`, { properties: { alternateId: name, description: `Recording of the live event ${name}` } });
  await put(at`liveEvents/${name}/liveOutputs/${'live'}`, { properties: { assetName: asset, archiveWindowLength: 'PT25H', manifestName: name } });
  await publish(asset);
  say('It is recorded and published.');
}

function output(event, o) {
  const p = o.properties;
  const places = h('div', { class: 'locators' });
  const element = h('article', { class: 'output' },
    h('div', { class: 'row' }, h('h3', {}, o.name), badge('live', 'Recording'),
      may('operator') && button('End…', () => sure(`End ${o.name}?`, 'The recording is complete then and replays under the same links.', 'End it', async () => {
        await remove(at`liveEvents/${event}/liveOutputs/${o.name}`);
        say('The recording is complete.');
        location.hash = `#/assets/${encodeURIComponent(p.assetName)}`;
      }), { class: 'quiet', 'aria-label': `End ${o.name}` })),
    h('p', { class: 'hint' }, 'Into ', h('a', { href: `#/assets/${encodeURIComponent(p.assetName)}` }, p.assetName), ' since ', when(p.created),
      `. Keeps the last ${period(p.archiveWindowLength)}; viewers can go back ${period(p.rewindWindowLength ?? p.archiveWindowLength)}.`),
    places);
  let known = '';
  element.update = async (signal, anew) => {
    const { streamingLocators: all } = await post(at`assets/${p.assetName}/listStreamingLocators`);
    const now = all.map((l) => l.name).join('\n');
    if (known === now && !anew && places.hasChildNodes()) return;
    known = now;
    const made = await Promise.all(all.map(async (l) => links(await get(at`streamingLocators/${l.name}`, signal), signal)));
    places.replaceChildren(...made, ...(all.length === 0 && may('publisher') ? [h('p', { class: 'actions' }, button('Publish', async () => {
      await publish(p.assetName);
      say('Published.');
    }, { class: 'primary' }))] : []));
  };
  return element;
}

function newOutput(event, outputs) {
  const window = (chosen) => ['PT1M', 'PT5M', 'PT30M', 'PT1H', 'PT4H', 'PT12H', 'PT25H'].map((v) => {
    const option = h('option', { value: v }, period(v));
    option.selected = v === chosen;
    return option;
  });
  const free = (base) => {
    let name = base;
    for (let n = 2; outputs.some((o) => o.name === name); n++) name = `${base}-${n}`;
    return name;
  };
  dialog('New output', 'Record', [
    field('Name', h('input', { name: 'name', required: true, value: free('live'), autocomplete: 'off', spellcheck: 'false' })),
    field('Recording', h('input', { name: 'asset', required: true, value: `${event}-${new Date().toISOString().slice(0, 16).replace(/[-:]/g, '').replace('T', '-')}`, autocomplete: 'off', spellcheck: 'false' }), may('publisher') ? 'An asset of this name is made if there is none.' : 'The name of an asset that exists.'),
    field('Keep the last', h('select', { name: 'archive' }, ...window('PT25H')), 'What is older is deleted while it records.'),
    field('Viewers can go back', h('select', { name: 'rewind' }, h('option', { value: '' }, 'as far as it keeps'), ...window(''))),
    may('publisher') && h('label', { class: 'check' }, h('input', { type: 'checkbox', name: 'publish', checked: true }), h('span', {}, 'Publish it')),
  ].filter(Boolean), async (form) => {
    const asset = form.get('asset').trim();
    await get(at`assets/${asset}`).catch((error) => {
      if (error.status !== 404 || !may('publisher')) throw error;
      return put(at`assets/${asset}`, { properties: { alternateId: event } });
    });
    await put(at`liveEvents/${event}/liveOutputs/${form.get('name').trim()}`, { properties: {
      assetName: asset, archiveWindowLength: form.get('archive'), rewindWindowLength: form.get('rewind') || undefined, manifestName: event,
    } });
    if (form.get('publish')) await publish(asset);
    say('It is recorded.');
  });
}
