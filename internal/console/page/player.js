// hls.js, with what the console wants of it.

let loading;
function load() {
  loading ??= new Promise((resolve, reject) => {
    const element = document.createElement('script');
    element.src = 'hls.min.js';
    element.onload = () => resolve(globalThis.Hls);
    element.onerror = () => {
      loading = undefined;
      reject(new Error('The player did not load.'));
    };
    document.head.append(element);
  });
  return loading;
}

const pause = (ms, signal) => new Promise((resolve) => {
  const timer = setTimeout(resolve, ms);
  signal.addEventListener('abort', () => { clearTimeout(timer); resolve(); }, { once: true });
});

// maxBehind is how many seconds more than it should be a picture that follows may lag before it jumps.
const maxBehind = 5;

// keep plays url in video until signal ends, and begins again whenever that fails. It returns a handle:
// dateAt(seconds): the wall clock at a place of the media, null when unknown; details(): what hls.js knows of the playlist;
// latency(): seconds behind the live edge, NaN when not live.
//
// live: it is being made. small: a picture among many, which need not be quick. follow: always near the live edge, also after
// a busy machine fell behind.
export function keep(video, url, signal, { live = true, small = false, follow = false } = {}) {
  let hls;
  const handle = {
    details: () => hls?.levels?.[hls.currentLevel < 0 ? 0 : hls.currentLevel]?.details,
    dateAt: (time) => {
      const all = handle.details()?.fragments ?? [];
      let f = all[0];
      for (const x of all) {
        if (x.start > time) break;
        f = x;
      }
      return f?.programDateTime ? new Date(f.programDateTime + (time - f.start) * 1000) : null;
    },
    latency: () => (hls?.playingDate && handle.details()?.live ? (Date.now() - hls.playingDate.getTime()) / 1000 : NaN),
  };
  const once = (Hls) => new Promise((resolve) => {
    if (!Hls.isSupported()) {
      video.src = url;
      video.addEventListener('error', resolve, { once: true });
      signal.addEventListener('abort', resolve, { once: true });
      return;
    }
    hls = new Hls({
      enableWorker: true,
      lowLatencyMode: live && !small, // blocked reloads of many small pictures would take all connections of the browser
      maxLiveSyncPlaybackRate: 1.1,
      backBufferLength: live ? 10 : 60,
      maxBufferLength: small ? 4 : 20,
      capLevelToPlayerSize: small,
    });
    let recovered = 0;
    hls.on(Hls.Events.ERROR, (_, data) => {
      if (!data.fatal) return;
      if (data.type === Hls.ErrorTypes.MEDIA_ERROR && recovered++ < 2) hls.recoverMediaError();
      else resolve();
    });
    hls.loadSource(url);
    hls.attachMedia(video);
    signal.addEventListener('abort', resolve, { once: true });
  });
  // hls.js has a setting for this, but it takes the place of the distance that the playlist asks for.
  const chase = follow && setInterval(() => {
    if (hls?.liveSyncPosition && !video.paused && hls.latency > hls.targetLatency + maxBehind) video.currentTime = hls.liveSyncPosition;
  }, 2000);
  (async () => {
    while (!signal.aborted) {
      try {
        await once(await load());
      } catch (error) {
        console.error(error); // and again, below
      }
      hls?.destroy();
      hls = undefined;
      await pause(2000, signal);
    }
    clearInterval(chase);
    video.removeAttribute('src');
    video.load();
  })();
  return handle;
}
