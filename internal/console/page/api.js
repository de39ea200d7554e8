// The control API, as any client sees it, through the session of this browser.

const account = '/subscriptions/00000000-0000-0000-0000-000000000000/resourceGroups/headwater/providers/Microsoft.Media/mediaservices/headwater';
const version = 'api-version=2022-08-01';

// Session is where one signs in, asks who is signed in, and signs out.
export const session = '/console/session';

export class APIError extends Error {
  constructor(status, error = {}) {
    super(error.message ?? `The server answered ${status}.`);
    this.status = status;
    this.code = error.code ?? '';
    this.hint = error.additionalInfo?.find((i) => i.type === 'Hint')?.info?.hint ?? '';
  }
}

// events tell the page around: 'signed-out', 'reached' with whether the server answers, and 'failed' with an error of something
// that goes on by itself.
export const events = new EventTarget();

async function request(method, path, { body, signal, headers } = {}) {
  let response;
  try {
    response = await fetch(path, {
      method, signal, cache: 'no-store', credentials: 'same-origin', redirect: 'error',
      headers: { ...headers, ...(body === undefined ? {} : { 'Content-Type': 'application/json' }) },
      body: body === undefined ? undefined : JSON.stringify(body),
    });
  } catch (error) {
    if (error.name === 'AbortError') throw error;
    events.dispatchEvent(new CustomEvent('reached', { detail: false }));
    throw new Error('The server does not answer.');
  }
  events.dispatchEvent(new CustomEvent('reached', { detail: true }));
  if (response.ok || response.status === 304) return response;
  let told;
  try {
    told = (await response.json()).error;
  } catch { /* not ours: a proxy in front */ }
  if (response.status === 401 && path !== session) events.dispatchEvent(new Event('signed-out'));
  throw new APIError(response.status, told);
}

const json = async (response) => (response.status === 204 || response.headers.get('Content-Length') === '0' ? null : response.json());
const local = (url) => { // what a proxy in front calls this server does not matter
  const u = new URL(url, location.origin);
  return u.pathname + u.search;
};

// at makes a path of names: at`liveEvents/${name}`.
export const at = (parts, ...names) => `${account}/${String.raw({ raw: parts }, ...names.map(encodeURIComponent))}`;

// The roles of who is signed in: what they may not do is not offered.
let roles = [];
export const may = (role) => roles.includes('admin') || roles.includes(role);
const known = (who) => {
  roles = who?.roles ?? [];
  return who;
};

// whoami answers null when nobody is signed in.
export const whoami = async () => known(await json(await request('GET', session)));
export const signIn = async (token) => known(await json(await request('POST', session, { body: { token } })));
export const signOut = () => request('DELETE', session);

export const get = async (path, signal) => json(await request('GET', `${path}?${version}`, { signal }));
export const ask = async (path, signal) => json(await request('POST', `${path}?${version}`, { signal, body: {} }));
export const text = async (path, signal) => (await request('GET', path, { signal })).text();

// list gets all pages.
export async function list(path, signal) {
  const all = [];
  for (let next = `${path}?${version}`; next;) {
    const page = await json(await request('GET', next, { signal }));
    all.push(...page.value);
    next = page['@odata.nextLink'] && local(page['@odata.nextLink']);
  }
  return all;
}

// change sends what changes something and waits until it is in force.
async function change(method, path, body, query = '') {
  const response = await request(method, `${path}?${version}${query}`, { body });
  const operation = response.headers.get('Azure-AsyncOperation');
  const result = await json(response.clone()).catch(() => null);
  if (!operation) return result;
  for (;;) {
    const o = await json(await request('GET', local(operation)));
    if (o.status === 'Succeeded') return result;
    if (o.status === 'Failed' || o.status === 'Canceled') throw new APIError(409, o.error);
  }
}

export const put = (path, body, query) => change('PUT', path, body, query);
export const post = (path, body = {}) => change('POST', path, body);
export const remove = (path) => change('DELETE', path);

// every calls work at once and then again and again, until signal ends it; not while nobody looks. Work may return how many
// milliseconds it wants to be left alone. That something is not there any more ends it with that error.
export async function every(ms, signal, work) {
  let failing = false;
  while (!signal.aborted) {
    let rest = ms;
    if (!document.hidden) {
      try {
        rest = (await work()) ?? ms;
        failing = false;
      } catch (error) {
        if (signal.aborted || error.status === 401) return;
        if (error.status === 404) throw error;
        if (!failing) events.dispatchEvent(new CustomEvent('failed', { detail: error }));
        failing = true;
      }
    }
    await new Promise((resolve) => {
      const done = () => {
        clearTimeout(timer);
        document.removeEventListener('visibilitychange', seen);
        resolve();
      };
      const seen = () => { if (!document.hidden) done(); };
      const timer = setTimeout(done, rest);
      document.addEventListener('visibilitychange', seen);
      signal.addEventListener('abort', done, { once: true });
    });
  }
}

// urls of a locator on the endpoint, as `headwater locator paths` prints them.
export async function urls(locator, signal) {
  const [paths, endpoint] = await Promise.all([ask(at`streamingLocators/${locator}/listPaths`, signal), get(at`streamingEndpoints/${'default'}`, signal)]);
  const base = `${endpoint.properties.scheme || 'http'}://${endpoint.properties.hostName}`;
  const of = (protocol) => paths.streamingPaths.find((p) => p.streamingProtocol === protocol)?.paths[0];
  const [hls, dash, mp4] = [of('Hls'), of('Dash'), paths.downloadPaths[0]];
  const first = hls ?? dash;
  return {
    watch: first && `${base}/watch/?src=${first}`, hls: hls && base + hls, dash: dash && base + dash, mp4: mp4 && base + mp4,
    running: endpoint.properties.resourceState === 'Running', host: new URL(base).hostname,
  };
}

// media is the path of a preview or a recording here; name is what a download is called.
export const media = (id, { name = 'preview', file = 'master.m3u8' } = {}) => `/console/media/${id}/${encodeURIComponent(name.replace(/[<>%&:\\?/*+'"#|;]/g, '-'))}.ism/${file}`;
