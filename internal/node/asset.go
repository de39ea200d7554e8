package node

import (
	"context"
	"errors"
	"log/slog"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"headwater.stream/archive"
	"headwater.stream/internal/control"
	"headwater.stream/internal/media"
	"headwater.stream/internal/timeline"
	"headwater.stream/packager/dash"
	"headwater.stream/packager/hls"
)

// asset is one asset: being recorded, or replayed from its directory, which is opened when the first viewer asks.
type asset struct {
	store archive.Store
	log   *slog.Logger
	spec  atomic.Pointer[control.AssetSpec]
	known *filteredChannels

	shown atomic.Pointer[shown] // what viewers get; nil until it is known
	used  atomic.Int64          // when it was asked for last, Unix seconds

	// files holds a token for who opens, closes or removes the directory. It is held over I/O: whoever must not wait for the
	// disk does not take it.
	files chan struct{}
	told  media.GapReason // why its end cannot be written; guarded by files

	mu     sync.Mutex     // held for microseconds
	output *output        // that records it, nil when none does
	gone   bool           // it is deleted
	replay *archive.Asset // that is open, nil when none is
}

func newAsset(s archive.Store, known *filteredChannels, log *slog.Logger) *asset {
	return &asset{store: s, known: known, log: log, files: make(chan struct{}, 1)}
}

// take takes the token of the files, which release gives back.
func (a *asset) take(ctx context.Context) error {
	select {
	case a.files <- struct{}{}:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}

func (a *asset) release() { <-a.files }

// errNoMedia says that an asset has nothing to play.
var errNoMedia = errors.New("the asset has no recording yet")

// open returns what viewers of the asset get.
func (a *asset) open(ctx context.Context, now time.Time) (*shown, error) {
	a.used.Store(now.Unix())
	if c := a.shown.Load(); c != nil {
		return c, nil
	}
	if err := a.take(ctx); err != nil {
		return nil, err
	}
	defer a.release()
	if c := a.shown.Load(); c != nil {
		return c, nil
	}
	if a.recorded() {
		return nil, errNoMedia // its event has not come up
	}
	return a.openReplay(nil)
}

// recorded reports whether an output records it.
func (a *asset) recorded() bool {
	a.mu.Lock()
	defer a.mu.Unlock()
	return a.output != nil
}

// openReplay opens the directory; after is what viewers have had so far, nil if nothing. The files are the caller's.
func (a *asset) openReplay(after *shown) (*shown, error) {
	a.mu.Lock()
	gone := a.gone
	a.mu.Unlock()
	if gone { // or the directory would be made again
		return nil, errNoMedia
	}
	dir, err := a.store.Open(a.spec.Load().Container)
	if err != nil {
		return nil, err
	}
	r, err := archive.OpenAsset(dir, manifests)
	if err != nil {
		err = errors.Join(err, dir.Close())
		if errors.Is(err, archive.ErrEmpty) {
			return nil, errNoMedia
		}
		return nil, err
	}
	a.tell(r.Unended())
	r.OnDamage(a.damaged)
	c := show(r, 0, after, a.known)
	a.mu.Lock()
	defer a.mu.Unlock()
	a.replay = r
	a.shown.Store(c)
	return c, nil
}

// tell tells why the end of a recording cannot be written, once. The files are the caller's.
func (a *asset) tell(why error) {
	if why == nil {
		a.told = media.GapUnknown
	} else if reason := timeline.ReasonOf(why); reason != a.told {
		a.told = reason
		a.log.Error("the recording is served but cannot be ended; that is tried again when it is opened again", "reason", reason.String(), "err", why)
	}
}

// damaged tells of a segment whose file is not what was recorded.
func (a *asset) damaged(err error) { a.log.Error("damage; see 'headwater asset check'", "err", err) }

// records reports whether the asset records e.
func (a *asset) records(e *event) bool {
	a.mu.Lock()
	defer a.mu.Unlock()
	return a.output != nil && a.output.event == e
}

// unfinished reports whether the asset has a recording that was begun and has not ended, and nobody makes.
func (a *asset) unfinished(ctx context.Context) (bool, error) {
	if err := a.take(ctx); err != nil {
		return false, err
	}
	defer a.release()
	a.mu.Lock()
	used := a.output != nil || a.replay != nil
	a.mu.Unlock()
	if used {
		return false, nil
	}
	dir, err := a.store.Open(a.spec.Load().Container)
	if err != nil {
		return false, err
	}
	_, begun, err := dir.Load()
	return begun && !dir.Info().Ended, errors.Join(err, dir.Close())
}

// idle is how long a replay stays open without being asked for: it costs a descriptor and 48 bytes per segment.
const idle = 10 * time.Minute

// rested reports whether nobody has asked for the asset lately. Its replay is let go of then; the next viewer opens it again.
func (a *asset) rested(now time.Time) bool {
	a.mu.Lock()
	defer a.mu.Unlock()
	return a.replay != nil && now.Sub(time.Unix(a.used.Load(), 0)) >= idle
}

// abandon says that the asset is deleted. A recording whose end the disk has not taken yet stops.
func (a *asset) abandon() {
	a.mu.Lock()
	defer a.mu.Unlock()
	a.gone = true
	if a.output != nil {
		a.output.cancel()
	}
}

// remove removes the files.
func (a *asset) remove(ctx context.Context) error {
	if err := a.close(ctx); err != nil {
		a.log.Error("closing the asset", "err", err)
	}
	if err := a.take(ctx); err != nil {
		return err
	}
	defer a.release()
	return a.store.Remove(a.spec.Load().Container)
}

// close lets go of the directory of a replay.
func (a *asset) close(ctx context.Context) error {
	if err := a.take(ctx); err != nil {
		return err
	}
	defer a.release()
	a.mu.Lock()
	r := a.replay
	if a.replay = nil; r != nil {
		a.shown.Store(nil)
	}
	a.mu.Unlock()
	if r == nil {
		return nil
	}
	return r.Close()
}

// manifests makes the files that let an ended asset play from any file server.
func manifests(v *media.View) (map[string][]byte, error) {
	files := map[string][]byte{media.MultivariantName: hls.Multivariant(v, false)}
	mpd, err := dash.MPD(v)
	if err != nil {
		return nil, err
	}
	files[media.MPDName] = mpd
	for i := range v.Renditions {
		name := v.Renditions[i].Name
		full, _ := hls.NewPlaylist(name).Render(v)
		files[v.MediaPlaylist(name)] = slices.Concat(full...)
		if full, _ := hls.NewIFramePlaylist(name).Render(v); full != nil {
			files[v.IFramePlaylist(name)] = slices.Concat(full...)
		}
	}
	return files, nil
}

// AssetTracks implements control.Runtime.
func (r *runtime) AssetTracks(id string) ([]control.RecordedTrack, error) {
	a := r.routes.Load().assets[id]
	if a == nil || a.spec.Load().ManifestName == "" {
		return nil, nil
	}
	ctx, cancel := context.WithTimeout(r.ctx, waitTimeout)
	defer cancel()
	c, err := a.open(ctx, r.clock.now())
	if errors.Is(err, errNoMedia) {
		return nil, nil
	}
	if err != nil {
		return nil, err
	}
	var list []control.RecordedTrack
	for _, x := range c.presentation.View().Renditions {
		t := control.RecordedTrack{Name: x.Name, Kind: x.Kind.String(), Bitrate: x.AverageBandwidth}
		if n := len(x.Inits); n > 0 {
			now := x.Inits[n-1].Track
			t.Codec, t.Language = now.Codec, now.Language
			if now.Bitrate > 0 {
				t.Bitrate = now.Bitrate
			}
		}
		list = append(list, t)
	}
	return list, nil
}
