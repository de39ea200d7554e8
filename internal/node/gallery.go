package node

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"os/exec"
	"sync"
	"time"

	"headwater.stream/archive"
	"headwater.stream/internal/media"
	"headwater.stream/internal/storyboard"
	"headwater.stream/origin"
)

// gallery has the posters and storyboards of ended recordings. They are made when they are first asked for, of one recording at
// a time, and are files of it from then on.
type gallery struct {
	decoder storyboard.Decoder
	off     error // why none are made; nil: they are
	store   pictureStore
	admit   func(container string, more int64) error
	now     func() time.Time
	log     *slog.Logger

	busy chan struct{} // of capacity 1
	ctx  context.Context
	stop context.CancelFunc
	wg   sync.WaitGroup

	mu     sync.Mutex
	closed bool
	jobs   map[string]*pictureJob // by container: under way, or failed not long ago
}

// pictureStore keeps them.
type pictureStore interface {
	Picture(container, name string) ([]byte, error)
	PutStoryboard(container string, b *archive.Storyboard) error
}

// pictureJob makes the storyboard of one recording.
type pictureJob struct {
	done chan struct{}
	err  error     // valid once done is closed
	at   time.Time // when it failed
}

// Bounds of the making of storyboards.
const (
	pictureWait  = 10 * time.Second // a viewer waits for one; then he is told to come again
	pictureRetry = 10 * time.Minute // after a failure, until it is tried again
	pictureQueue = 64               // recordings whose turn has not come
)

// Values of Config.Storyboard that are no path.
const (
	StoryboardAuto = "auto"
	StoryboardOff  = "off"
)

// newGallery returns the gallery; what is "auto", "off" or the path of an ffmpeg. That there is none is no error: it is the
// answer to those who ask.
func newGallery(what string, store assetStore, b *budget, c clock, log *slog.Logger) *gallery {
	g := &gallery{store: store, now: c.now, log: log, busy: make(chan struct{}, 1), jobs: map[string]*pictureJob{}}
	g.ctx, g.stop = context.WithCancel(context.Background())
	g.admit = func(container string, more int64) error {
		has, err := store.Size(container)
		if err != nil {
			return err
		}
		return b.admit(container, has, more, c.now())
	}
	name := what
	switch what {
	case StoryboardOff:
		g.off = errors.New("this server makes none (--storyboard off)")
		return g
	case StoryboardAuto, "":
		name = "ffmpeg"
	}
	path, err := exec.LookPath(name)
	if err != nil {
		g.off = errors.New("this server found no ffmpeg to make them with when it started")
		log.Info("no posters and storyboards of recordings: no ffmpeg", "err", err)
		return g
	}
	g.decoder.Path = path
	log.Info("posters and storyboards of recordings are made when asked for", "ffmpeg", path)
	return g
}

// recorded is the gallery of one asset; why says that its viewers get no pictures, nil: they do.
type recorded struct {
	*gallery
	asset *asset
	why   error
}

// Why viewers of some presentations get no pictures.
var (
	errNotEnded = errors.New("they are made of recordings that have ended")
	errCut      = errors.New("filters hide a part of the recording")
)

// of returns the gallery of an asset that is shown as c, whole or not.
func (g *gallery) of(a *asset, c *shown, whole bool) *origin.Gallery {
	r := recorded{gallery: g, asset: a}
	if _, replay := c.presentation.(*archive.Asset); !replay {
		r.why = errNotEnded
	} else if !whole {
		r.why = errCut
	}
	return &origin.Gallery{Picture: r.picture}
}

// picture returns a file of the storyboard.
func (r recorded) picture(ctx context.Context, name string) ([]byte, error) {
	if r.why != nil {
		return nil, fmt.Errorf("%w: %w", origin.ErrNoPictures, r.why)
	}
	container := r.asset.spec.Load().Container
	body, err := r.store.Picture(container, name)
	if !errors.Is(err, media.ErrNotFound) {
		return body, err
	}
	if errors.Is(err, archive.ErrDamaged) {
		r.log.Error("a storyboard is damaged", "container", container, "err", err)
	}
	if _, sheet := media.ParseSheet(name); sheet {
		return nil, err // the storyboard names those that are
	}
	if r.off != nil {
		return nil, fmt.Errorf("%w: %w", origin.ErrNoPictures, r.off)
	}
	job, err := r.job(container, r.asset)
	if err != nil {
		return nil, err
	}
	t := time.NewTimer(pictureWait)
	defer t.Stop()
	select {
	case <-job.done:
	case <-t.C:
		return nil, origin.ErrLater
	case <-ctx.Done():
		return nil, ctx.Err()
	}
	if job.err != nil {
		return nil, fmt.Errorf("%w: %w", origin.ErrNoPictures, job.err)
	}
	return r.store.Picture(container, name)
}

// job returns the job for a recording, which it starts if there is none.
func (g *gallery) job(container string, a *asset) (*pictureJob, error) {
	g.mu.Lock()
	defer g.mu.Unlock()
	for name, j := range g.jobs {
		if !j.at.IsZero() && g.now().Sub(j.at) >= pictureRetry {
			delete(g.jobs, name)
		}
	}
	if j := g.jobs[container]; j != nil {
		return j, nil
	}
	waiting := 0
	for _, j := range g.jobs {
		if j.at.IsZero() {
			waiting++
		}
	}
	if waiting >= pictureQueue || g.closed {
		return nil, origin.ErrLater
	}
	j := &pictureJob{done: make(chan struct{})}
	g.jobs[container] = j
	g.wg.Go(func() {
		j.err = g.make(container, a)
		g.mu.Lock()
		defer g.mu.Unlock()
		if j.err == nil {
			delete(g.jobs, container)
		} else {
			j.at = g.now()
		}
		close(j.done)
	})
	return j, nil
}

// errNoPictures is what viewers are told of a failure; the log has the rest.
var errNoPictures = errors.New("they could not be made of this recording; the server's log says why")

// make makes a storyboard and puts it into the recording's directory.
func (g *gallery) make(container string, a *asset) error {
	select {
	case g.busy <- struct{}{}:
	case <-g.ctx.Done():
		return g.ctx.Err()
	}
	defer func() { <-g.busy }()
	began := g.now()
	err := g.makeOf(container, a)
	switch {
	case err == nil:
		g.log.Info("poster and storyboard made", "container", container, "took", g.now().Sub(began).Round(time.Millisecond))
	case g.ctx.Err() != nil:
		return g.ctx.Err()
	case errors.Is(err, storyboard.ErrNoKeyFrames):
		return err
	default:
		g.log.Warn("poster and storyboard could not be made", "container", container, "err", err)
		return errNoPictures
	}
	return nil
}

func (g *gallery) makeOf(container string, a *asset) error {
	c, err := a.open(g.ctx, g.now())
	if err != nil {
		return err
	}
	src, ok := c.presentation.(*archive.Asset)
	if !ok {
		return errors.New("the recording goes on")
	}
	b, err := storyboard.Make(g.ctx, g.decoder, src.View(), src)
	if err != nil {
		return err
	}
	size := int64(0)
	for _, f := range b.Files() {
		size += int64(len(f.Body))
	}
	if err := g.admit(container, size); err != nil {
		return err
	}
	return g.store.PutStoryboard(container, b)
}

// close ends what is under way.
func (g *gallery) close() {
	g.mu.Lock()
	g.closed = true
	g.mu.Unlock()
	g.stop()
	g.wg.Wait()
}
