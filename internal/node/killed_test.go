package node

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"net/netip"
	"os"
	"path"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"headwater.stream/api"
	"headwater.stream/archive/fsstore"
	"headwater.stream/ingest"
	"headwater.stream/internal/control"
	"headwater.stream/internal/media"
	"headwater.stream/internal/state"
	"headwater.stream/internal/state/boltstate"
	"headwater.stream/origin"
)

// plant is a control plane on a real data plane and real files, without listeners.
type plant struct {
	t      *testing.T
	dir    string
	svc    *control.Service
	rt     *runtime
	origin http.Handler
	mu     sync.Mutex
	at     control.Desired
	end    func()
}

// failStore calls fail before and after each commit: points at which the process could have been killed.
type failStore struct {
	state.Store
	fail func(where string)
}

func (s *failStore) Commit(ctx context.Context, changes ...state.Change) (uint64, error) {
	s.fail("before a commit")
	n, err := s.Store.Commit(ctx, changes...)
	s.fail("after a commit")
	return n, err
}

// Apply is the runtime's, with failure points around it.
type failRuntime struct {
	*runtime
	p    *plant
	fail func(where string)
}

func (r *failRuntime) Apply(ctx context.Context, d control.Desired) map[string]error {
	failed := r.runtime.Apply(ctx, d)
	r.p.mu.Lock()
	r.p.at = d
	r.p.mu.Unlock()
	r.fail("after an apply")
	return failed
}

func startPlant(t *testing.T, dir string, fail func(where string)) *plant {
	t.Helper()
	p := &plant{t: t, dir: dir}
	store, err := boltstate.Open(filepath.Join(dir, boltstate.FileName))
	if err != nil {
		t.Fatal(err)
	}
	var stores [3]*fsstore.Store
	for i, kind := range []string{"events", "assets", "staging"} {
		if stores[i], err = fsstore.New(filepath.Join(dir, kind), fsstore.Options{Sync: time.Second}); err != nil {
			t.Fatal(err)
		}
	}
	log := slog.New(slog.DiscardHandler)
	ctx, cancel := context.WithCancel(context.Background())
	p.rt = newRuntime(ctx, newClock(), stores[0], stores[1], newMetrics(), Config{Log: log, PreviewSpan: time.Minute, InputLost: 10 * time.Second})
	if p.rt.staging, err = openStaging(stores[2], stores[1]); err != nil {
		t.Fatal(err)
	}
	p.svc, err = control.New(&failStore{store, fail}, &failRuntime{p.rt, p, fail}, control.Options{IngestBases: []string{"rtmp://127.0.0.1:1"}, OriginBase: "http://127.0.0.1:2", Archive: &recordings{stores[1], stores[2]}, Log: log})
	if err != nil {
		t.Fatal(err)
	}
	p.origin = origin.NewHandler(origin.Options{Resolver: p.rt})
	var loop sync.WaitGroup
	loop.Go(func() { _ = p.svc.Run(ctx) })
	p.end = func() {
		cancel()
		loop.Wait()
		if err := p.rt.close(); err != nil {
			t.Error(err)
		}
		for _, s := range stores {
			if err := s.Close(); err != nil {
				t.Error(err)
			}
		}
		if err := store.Close(); err != nil {
			t.Error(err)
		}
	}
	return p
}

func (p *plant) get(name string) (int, string) {
	w := httptest.NewRecorder()
	p.origin.ServeHTTP(w, httptest.NewRequest(http.MethodGet, "/"+faultLocator+"/show.ism/"+name, nil))
	return w.Code, w.Body.String()
}

// done waits for an operation to succeed.
func (p *plant) done(op *api.Operation, err error) {
	p.t.Helper()
	for end := time.Now().Add(20 * time.Second); err == nil && op != nil && !op.Done(); op, err = p.svc.GetOperation(p.t.Context(), op.Collection, op.Name) {
		if time.Now().After(end) {
			p.t.Fatalf("%+v does not end", op)
		}
	}
	if err != nil || op != nil && op.Status != api.Succeeded {
		p.t.Fatalf("%+v, %v", op, err)
	}
}

// publish sends ten seconds of media at once and waits until they are recorded.
func (p *plant) publish() {
	p.t.Helper()
	s, err := p.rt.Admit(p.t.Context(), ingest.Request{Remote: netip.MustParseAddrPort("192.0.2.1:1"), App: "live/" + strings.Repeat("0", 32), Stream: "key", Kick: func(*ingest.Refusal) {}})
	if err == nil {
		err = s.SetTracks([]media.Track{faultVideo(30, "")})
	}
	for i := 0; i < 300 && err == nil; i++ {
		err = s.WriteSample(media.Sample{DTS: int64(i) * 4000, Sync: i%60 == 0, Data: faultFrame(i, i%60 == 0)})
	}
	if err == nil {
		err = s.Close()
	}
	if err != nil {
		p.t.Fatal(err)
	}
	for end := time.Now().Add(20 * time.Second); ; <-time.After(time.Millisecond) {
		if _, body := p.get("v1/media.m3u8"); strings.Count(body, "#EXTINF") >= 5 {
			return
		}
		if time.Now().After(end) {
			p.t.Fatal("it is not recorded")
		}
	}
}

// TestKilledBetween is case 65 of the acceptance list with real files: a broadcast, from create to delete, whose data
// directory is copied, as kill -9 leaves it, before and after each write of the state and after each change of what runs.
// A start on any of the copies comes to rest; what was acknowledged holds, everything else is wholly there or not, and no
// directory is left that nobody owns.
func TestKilledBetween(t *testing.T) {
	dir, copies := t.TempDir(), t.TempDir()
	var mu sync.Mutex
	acknowledged := "nothing"
	type kill struct{ dir, where, acknowledged string }
	var kills []kill
	p := startPlant(t, dir, func(where string) {
		mu.Lock()
		defer mu.Unlock()
		k := kill{filepath.Join(copies, fmt.Sprint(len(kills))), where, acknowledged}
		if err := copyKilled(k.dir, dir); err != nil {
			t.Error(err)
		}
		kills = append(kills, k)
	})
	ack := func(what string) {
		mu.Lock()
		defer mu.Unlock()
		acknowledged = what
	}
	ctx := t.Context()
	event := &api.LiveEvent{Tracked: api.Tracked{Location: "local"}, Properties: api.LiveEventProperties{Input: &api.LiveEventInput{StreamingProtocol: "RTMP", AccessToken: strings.Repeat("0", 32)}}}
	_, op, err := p.svc.CreateLiveEvent(ctx, "e", event, api.WriteOptions{})
	p.done(op, err)
	p.done(p.svc.StartLiveEvent(ctx, "e"))
	_, _, err = p.svc.PutAsset(ctx, "a", &api.Asset{}, api.WriteOptions{})
	p.done(nil, err)
	_, op, err = p.svc.CreateLiveOutput(ctx, "e", "o", &api.LiveOutput{Properties: api.LiveOutputProperties{AssetName: "a", ArchiveWindowLength: "PT1H", ManifestName: "show"}}, api.WriteOptions{})
	p.done(op, err)
	_, err = p.svc.CreateStreamingLocator(ctx, "l", &api.StreamingLocator{Properties: api.StreamingLocatorProperties{AssetName: "a", StreamingPolicyName: "Predefined_ClearStreamingOnly", StreamingLocatorID: faultLocator}}, api.WriteOptions{})
	p.done(nil, err)
	p.publish()
	ack("recorded")
	p.done(p.svc.DeleteLiveOutput(ctx, "e", "o", api.WriteOptions{}))
	ack("ended")
	_, err = p.svc.ClipAsset(ctx, "c", &api.AssetClip{AssetName: "a", Start: "1s"})
	p.done(nil, err)
	ack("clipped")
	p.done(p.svc.StopLiveEvent(ctx, "e", api.StopOptions{}))
	p.done(p.svc.DeleteLiveEvent(ctx, "e", api.WriteOptions{}))
	ack("event deleted")
	_, err = p.svc.DeleteStreamingLocator(ctx, "l", api.WriteOptions{})
	p.done(nil, err)
	ack("withdrawn")
	_, err = p.svc.DeleteAsset(ctx, "a", api.WriteOptions{})
	p.done(nil, err)
	ack("asset deleted")
	p.end()
	if len(kills) < 30 {
		t.Errorf("only %d points", len(kills))
	}
	for i, k := range kills {
		again := startPlant(t, k.dir, func(string) {})
		again.rests()
		again.holds(fmt.Sprintf("point %d, %s, %s", i, k.where, k.acknowledged), k.acknowledged)
		again.end()
	}
}

// copyKilled copies a data directory that is in use as a kill at one moment could leave it: a segment is in its file before
// it is in an index, so the segments are copied last.
func copyKilled(to, from string) error {
	for _, segments := range []bool{false, true} {
		err := filepath.WalkDir(from, func(name string, e fs.DirEntry, err error) error {
			if err != nil || !e.IsDir() && strings.HasPrefix(e.Name(), "seg-") != segments {
				return err
			}
			rel, err := filepath.Rel(from, name)
			if err != nil {
				return err
			}
			if e.IsDir() {
				return os.MkdirAll(filepath.Join(to, rel), 0o700)
			}
			b, err := os.ReadFile(name)
			if errors.Is(err, fs.ErrNotExist) {
				return nil // a temporary that has its name by now
			}
			if err != nil {
				return err
			}
			return os.WriteFile(filepath.Join(to, rel), b, 0o600)
		})
		if err != nil {
			return err
		}
	}
	return nil
}

// rests waits until nothing is on the way.
func (p *plant) rests() {
	p.t.Helper()
	for end := time.Now().Add(20 * time.Second); ; <-time.After(time.Millisecond) {
		busy := p.svc.Ready() != nil
		events, err := p.svc.ListLiveEvents(p.t.Context(), api.ListOptions{})
		if err != nil {
			p.t.Fatal(err)
		}
		for _, e := range events.Value {
			state := e.Properties.ResourceState
			busy = busy || state != api.Running && state != api.Stopped || e.Properties.ProvisioningState != api.Succeeded
			outputs, err := p.svc.ListLiveOutputs(p.t.Context(), e.Name, api.ListOptions{})
			busy = busy || err != nil
			for _, o := range outputs.Value {
				busy = busy || o.Properties.ResourceState != api.Running
			}
		}
		if !busy {
			return
		}
		if time.Now().After(end) {
			p.t.Fatal("it does not come to rest")
		}
	}
}

// holds checks what must be true after a kill.
func (p *plant) holds(where, acknowledged string) {
	p.t.Helper()
	p.mu.Lock()
	at := p.at
	p.mu.Unlock()
	var owned []string
	for _, e := range at.Events {
		owned = append(owned, "events/"+e.ID)
	}
	for _, a := range at.Assets {
		owned = append(owned, "assets/"+a.Container)
	}
	for _, kind := range []string{"events", "assets", "staging"} {
		entries, err := os.ReadDir(filepath.Join(p.dir, kind))
		if err != nil {
			p.t.Fatal(err)
		}
		for _, e := range entries {
			if !slices.Contains(owned, path.Join(kind, e.Name())) {
				p.t.Errorf("%s: nobody owns %s/%s", where, kind, e.Name())
			}
		}
	}
	reached := func(what string) bool {
		order := []string{"nothing", "recorded", "ended", "clipped", "event deleted", "withdrawn", "asset deleted"}
		return slices.Index(order, acknowledged) >= slices.Index(order, what)
	}
	status, list := p.get("v1/media.m3u8")
	published := len(at.Locators) > 0
	switch {
	case reached("withdrawn"):
		if status != http.StatusNotFound || published {
			p.t.Errorf("%s: a withdrawn recording answers %d", where, status)
		}
	case published && reached("recorded"):
		files := regexp.MustCompile(`(?m)^seg-.*$`).FindAllString(list, -1)
		if status != http.StatusOK || len(files) < 5 {
			p.t.Errorf("%s: the recording answers %d %s", where, status, list)
		}
		for _, file := range files {
			if status, body := p.get("v1/" + file); status != http.StatusOK || len(body) == 0 {
				p.t.Errorf("%s: %s answers %d", where, file, status)
			}
		}
		if ended := strings.Contains(list, "#EXT-X-ENDLIST"); ended != (len(at.Outputs) == 0) || reached("ended") && !ended {
			p.t.Errorf("%s: ended %v, with outputs %v", where, ended, at.Outputs)
		}
	}
	clips := slices.DeleteFunc(slices.Clone(at.Assets), func(a control.AssetSpec) bool { return a.Name != "c" })
	for _, c := range clips {
		p.plays(where, c.ID)
	}
	if reached("clipped") && len(clips) != 1 {
		p.t.Errorf("%s: the clip is gone", where)
	}
	if reached("event deleted") && len(at.Events) > 0 || reached("asset deleted") && len(at.Assets) > len(clips) {
		p.t.Errorf("%s: what was deleted is back: %+v", where, at)
	}
}

// plays verifies that an asset replays.
func (p *plant) plays(where, id string) {
	p.t.Helper()
	c, err := p.rt.routes.Load().assets[id].open(p.t.Context(), time.Now())
	if err != nil {
		p.t.Errorf("%s: %v", where, err)
		return
	}
	v := c.presentation.View()
	for _, r := range v.Renditions {
		for _, s := range r.Segments {
			o, err := c.presentation.Open(p.t.Context(), media.Ref{Rendition: r.Name, Kind: media.ObjectSegment, Epoch: s.Epoch, Number: s.Number})
			if err != nil {
				p.t.Errorf("%s: segment %d of the clip: %v", where, s.Number, err)
				continue
			}
			o.Close()
		}
		if !v.Ended || len(r.Segments) < 2 {
			p.t.Errorf("%s: the clip has %d segments, ended %v", where, len(r.Segments), v.Ended)
		}
	}
}
