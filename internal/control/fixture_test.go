package control_test

import (
	"context"
	"errors"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"sync"
	"testing"
	"time"

	"headwater.stream/api"
	"headwater.stream/internal/control"
	"headwater.stream/internal/doctor"
	"headwater.stream/internal/state"
	"headwater.stream/internal/state/memstate"
)

// memRuntime is a Runtime in memory: it remembers what it was brought to, and fails what it is told to.
type memRuntime struct {
	incoming int                  // bit/s of the only track; guarded by mu
	status   *control.EventStatus // of running events, instead of the usual one
	report   *doctor.Report

	mu      sync.Mutex
	at      control.Desired
	removed []control.AssetSpec // ever
	calls   int
	fail    map[string]int // spec ID -> how many times more
	block   chan struct{}  // when set, Apply waits for it
}

func (r *memRuntime) Apply(ctx context.Context, d control.Desired) map[string]error {
	r.mu.Lock()
	block := r.block
	r.mu.Unlock()
	if block != nil {
		select {
		case <-block:
		case <-ctx.Done():
			return nil
		}
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	r.calls++
	r.at = d
	r.removed = append(r.removed, d.Removed...)
	failed := map[string]error{}
	for id, n := range r.fail {
		if n > 0 {
			r.fail[id] = n - 1
			failed[id] = errors.New("the disk is on fire")
		}
	}
	return failed
}

func (r *memRuntime) EventStatus(id string) (control.EventStatus, bool) {
	r.mu.Lock()
	defer r.mu.Unlock()
	for _, e := range r.at.Events {
		if e.ID == id && e.Running {
			if r.status != nil {
				return *r.status, true
			}
			since := time.Unix(1764077000, 0)
			return control.EventStatus{
				Connected: true, Since: since, Remote: "192.0.2.1:1", Tracks: []string{"video"}, Log: "1",
				Events: []control.StreamEvent{{Time: since, Type: "BeginIngest", Level: "Information", Stream: "key", Remote: "192.0.2.1:1", Code: "S_OK"},
					{Time: since, Type: "Discontinuity", Level: "Warning", Track: "video", Bitrate: 1000, At: time.Second, Gap: time.Minute}},
				Beats: []control.Heartbeat{{Time: since.Add(20 * time.Second), Track: "video", Bitrate: 1000, Incoming: r.incoming, Last: 20 * time.Second, Arrived: since.Add(20 * time.Second)}},
			}, true
		}
	}
	return control.EventStatus{}, false
}

func (r *memRuntime) Examine(id string) *doctor.Report {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.report
}

func (r *memRuntime) AssetTracks(id string) ([]control.RecordedTrack, error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	for _, a := range r.at.Assets {
		if a.ID == id && a.ManifestName != "" {
			return []control.RecordedTrack{{Name: "v1", Kind: "video", Codec: "avc1.640028", Bitrate: 3000000, Language: "und"}, {Name: "a1", Kind: "audio", Codec: "mp4a.40.2", Bitrate: 128000, Language: "de"}}, nil
		}
	}
	return nil, nil
}

func (r *memRuntime) desired() control.Desired {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.at
}

func (r *memRuntime) hold() (release func()) {
	block := make(chan struct{})
	r.mu.Lock()
	r.block = block
	r.mu.Unlock()
	return func() {
		r.mu.Lock()
		r.block = nil
		r.mu.Unlock()
		close(block)
	}
}

// plane is a running control plane with its wire.
type plane struct {
	*api.Client
	svc     *control.Service
	runtime *memRuntime
	journal *memJournal
	store   state.Store
	url     string
	http    *http.Client
	stop    func()
}

const testToken = "0123456789abcdef0123456789abcdef"

func options(quotas control.Quotas) control.Options {
	return control.Options{IngestBases: []string{"rtmp://media.example:1935"}, OriginBase: "http://media.example:8080", Quotas: quotas, Log: slog.New(slog.DiscardHandler)}
}

// start runs a control plane on a store until the test or stop ends it.
func start(t *testing.T, store state.Store, quotas control.Quotas) *plane {
	t.Helper()
	return serve(t, store, quotas, httptest.NewServer)
}

// serve is start with a choice of listener.
func serve(t *testing.T, store state.Store, quotas control.Quotas, listen func(http.Handler) *httptest.Server) *plane {
	t.Helper()
	rt := &memRuntime{fail: map[string]int{}, incoming: 1000}
	told := &memJournal{}
	o := options(quotas)
	o.Journal = told
	svc, err := control.New(store, rt, o)
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan struct{})
	go func() {
		defer close(done)
		_ = svc.Run(ctx)
	}()
	server := listen(api.Handler(svc, api.HandlerOptions{Tokens: api.SingleToken(testToken), Ready: svc.Ready, Log: slog.New(slog.DiscardHandler)}))
	stop := sync.OnceFunc(func() {
		server.Close()
		cancel()
		<-done
	})
	t.Cleanup(stop)
	return &plane{
		Client: api.NewClient(api.ClientOptions{BaseURL: server.URL, Token: testToken, HTTP: server.Client()}),
		svc:    svc, runtime: rt, journal: told, store: store, url: server.URL, http: server.Client(), stop: stop,
	}
}

func startMem(t *testing.T) *plane { return start(t, memstate.New(), control.Quotas{}) }

func rtmp() *api.LiveEvent {
	return &api.LiveEvent{Tracked: api.Tracked{Location: "local"}, Properties: api.LiveEventProperties{Input: &api.LiveEventInput{StreamingProtocol: "RTMP"}}}
}

func outputOn(asset string) *api.LiveOutput {
	return &api.LiveOutput{Properties: api.LiveOutputProperties{AssetName: asset, ArchiveWindowLength: "PT1H"}}
}

func must[T any](t *testing.T) func(v T, err error) T {
	t.Helper()
	return func(v T, err error) T {
		t.Helper()
		if err != nil {
			t.Fatal(err)
		}
		return v
	}
}

func check(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

// wantError checks status and code of a refusal.
func wantError(t *testing.T, err error, status int, code api.Code) {
	t.Helper()
	var e *api.Error
	if !errors.As(err, &e) || e.Status != status || code != "" && e.Code != code || e.Message == "" {
		t.Errorf("got %v (%#v), want %d %s", err, e, status, code)
	}
}
