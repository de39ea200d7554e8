package node

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"headwater.stream/api"
	"headwater.stream/ingest"
)

// Case 66 of the acceptance list, on a whole node: names that are made and deleted while they are used.

// TestDeleteInUse deletes an event and its recording while they are published to, watched and recorded, and makes new ones
// of the same names, token and IDs: the publisher is told, viewers get 404, the files are gone, and the new ones never
// serve an old byte.
func TestDeleteInUse(t *testing.T) {
	ctx := t.Context()
	dir := t.TempDir()
	r := start(t, dir)
	defer r.end()
	const token, preview, published = "0123456789abcdef0123456789abcdef", "11111111-2222-3333-4444-555555555555", "22222222-2222-3333-4444-555555555555"
	must := func(err error) {
		t.Helper()
		if err != nil {
			t.Fatal(err)
		}
	}
	conflict := func(what string, err error) {
		t.Helper()
		var e *api.Error
		if !errors.As(err, &e) || e.Status != http.StatusConflict {
			t.Errorf("%s: %v, want 409", what, err)
		}
	}
	bases := []string{"/" + preview + "/preview.ism/", "/" + published + "/show.ism/"}
	objects := map[string]string{} // path -> bytes, of both lives
	var life int
	live := func() (published <-chan error) {
		life++
		_, err := r.client.CreateLiveEvent(ctx, "ev", &api.LiveEvent{Tracked: api.Tracked{Location: "local"}, Properties: api.LiveEventProperties{
			Input: &api.LiveEventInput{StreamingProtocol: "RTMP", AccessToken: token, KeyFrameIntervalDuration: "PT1S"}, Preview: &api.LiveEventPreview{PreviewLocator: preview},
		}}, api.WriteOptions{AutoStart: true})
		must(err)
		_, err = r.client.PutAsset(ctx, "as", &api.Asset{Properties: api.AssetProperties{Container: "shelf"}})
		must(err)
		_, err = r.client.CreateLiveOutput(ctx, "ev", "out", &api.LiveOutput{Properties: api.LiveOutputProperties{AssetName: "as", ArchiveWindowLength: "PT1H", ManifestName: "show"}})
		must(err)
		_, err = r.client.CreateStreamingLocator(ctx, "loc", &api.StreamingLocator{Properties: api.StreamingLocatorProperties{
			AssetName: "as", StreamingPolicyName: "Predefined_ClearStreamingOnly", StreamingLocatorID: "22222222-2222-3333-4444-555555555555"}})
		must(err)
		done := make(chan error, 1)
		go func() {
			done <- Publish(ctx, "../../testdata/demo.flv", r.ready.RTMP+"/live/"+token+"/key", true, nil, slog.New(slog.DiscardHandler))
		}()
		return done
	}
	watch := func() {
		for _, base := range bases {
			r.until("two segments under "+base, func() bool {
				status, body := r.get(base + "v1/media.m3u8")
				names := segmentNumber.FindAllString(body, -1)
				if status != http.StatusOK || len(names) < 2 {
					return false
				}
				for _, name := range append(names, "media.m3u8") {
					if status, body := r.get(base + "v1/" + name); status == http.StatusOK {
						if before, ok := objects[base+"v1/"+name]; ok && life > 1 && name != "media.m3u8" && before != "" {
							t.Errorf("%s is a name of the first life", name)
						}
						if life == 1 {
							objects[base+"v1/"+name] = body
						}
					}
				}
				return true
			})
		}
	}
	ended := live()
	watch()
	blocked := make(chan int, 4)
	for range cap(blocked) {
		go func() { // a viewer who waits for what will not come
			resp, err := r.http.Get(r.ready.Origin + bases[1] + "v1/media.m3u8?_HLS_msn=" + fmt.Sprint(len(objects)))
			if err != nil {
				blocked <- 0
				return
			}
			_ = resp.Body.Close()
			blocked <- resp.StatusCode
		}()
	}
	_, err := r.client.DeleteLiveEvent(ctx, "ev")
	conflict("deleting an event that runs", err)
	_, err = r.client.DeleteAsset(ctx, "as")
	conflict("deleting an asset that is recorded", err)
	must(r.client.StopLiveEvent(ctx, "ev", api.StopOptions{RemoveOutputsOnStop: true}))
	var refusal *ingest.Refusal
	if err := <-ended; !errors.As(err, &refusal) {
		t.Errorf("the publisher was not told: %v", err)
	}
	remove := func() {
		t.Helper()
		for what, f := range map[string]func() (bool, error){
			"locator": func() (bool, error) { return r.client.DeleteStreamingLocator(ctx, "loc") },
			"event":   func() (bool, error) { return r.client.DeleteLiveEvent(ctx, "ev") },
		} {
			if existed, err := f(); err != nil || !existed {
				t.Errorf("deleting the %s: %v, %v", what, existed, err)
			}
		}
		if existed, err := r.client.DeleteAsset(ctx, "as"); err != nil || !existed {
			t.Errorf("deleting the asset: %v, %v", existed, err)
		}
	}
	remove()
	for range cap(blocked) {
		select {
		case <-blocked:
		case <-time.After(20 * time.Second):
			t.Fatal("a viewer still waits")
		}
	}
	gone := func(when string) {
		t.Helper()
		for path := range objects {
			if filepath.Base(path) == "media.m3u8" && when == "new" {
				continue
			}
			if status, body := r.get(path); status != http.StatusNotFound && status != http.StatusGone {
				t.Errorf("%s: %s answers %d with %d bytes", when, path, status, len(body))
			}
		}
	}
	gone("deleted")
	empty := func() {
		t.Helper()
		for _, kind := range []string{"assets", "events"} {
			if left, err := os.ReadDir(filepath.Join(dir, kind)); err != nil || len(left) != 0 {
				t.Errorf("left in %s: %v, %v", kind, left, err)
			}
		}
	}
	empty()
	ended = live()
	watch()
	gone("new")
	must(r.client.StopLiveEvent(ctx, "ev", api.StopOptions{RemoveOutputsOnStop: true}))
	<-ended
	remove()
	empty()
}

// TestCreateDeleteRace makes and deletes one name from many sides at a time: each create makes it or conflicts, no answer
// is a fault, and at the end nothing is left.
func TestCreateDeleteRace(t *testing.T) {
	ctx := t.Context()
	dir := t.TempDir()
	r := start(t, dir)
	defer r.end()
	calls := map[string]func() error{
		"create event": func() error {
			_, err := r.client.CreateLiveEvent(ctx, "ev", &api.LiveEvent{Tracked: api.Tracked{Location: "local"}, Properties: api.LiveEventProperties{Input: &api.LiveEventInput{StreamingProtocol: "RTMP"}}}, api.WriteOptions{})
			return err
		},
		"delete event": func() error { _, err := r.client.DeleteLiveEvent(ctx, "ev"); return err },
		"create output": func() error {
			_, err := r.client.CreateLiveOutput(ctx, "ev", "out", &api.LiveOutput{Properties: api.LiveOutputProperties{AssetName: "as", ArchiveWindowLength: "PT1H"}})
			return err
		},
		"delete output": func() error { _, err := r.client.DeleteLiveOutput(ctx, "ev", "out"); return err },
		"create asset":  func() error { _, err := r.client.PutAsset(ctx, "as", &api.Asset{}); return err },
		"delete asset":  func() error { _, err := r.client.DeleteAsset(ctx, "as"); return err },
		"create locator": func() error {
			_, err := r.client.CreateStreamingLocator(ctx, "loc", &api.StreamingLocator{Properties: api.StreamingLocatorProperties{AssetName: "as", StreamingPolicyName: "Predefined_ClearStreamingOnly"}})
			return err
		},
		"delete locator": func() error { _, err := r.client.DeleteStreamingLocator(ctx, "loc"); return err },
	}
	var all sync.WaitGroup
	var mu sync.Mutex
	count := map[string]int{}
	for what, call := range calls {
		many := 4
		if strings.HasPrefix(what, "delete") {
			many = 1
		}
		for range many {
			all.Go(func() {
				for range 15 {
					err := call()
					var e *api.Error
					if err != nil && (!errors.As(err, &e) || e.Status >= 500 || e.Status < 400) {
						t.Errorf("%s: %v", what, err)
					}
					mu.Lock()
					if err == nil {
						count[what]++
					}
					mu.Unlock()
				}
			})
		}
	}
	all.Wait()
	if count["create event"] == 0 || count["create asset"] == 0 {
		t.Errorf("nothing was made: %v", count)
	}
	for _, what := range []string{"delete locator", "delete output", "delete event", "delete asset"} {
		if err := calls[what](); err != nil {
			t.Errorf("at the end: %s: %v", what, err)
		}
	}
	for _, kind := range []string{"assets", "events"} {
		if left, err := os.ReadDir(filepath.Join(dir, kind)); err != nil || len(left) != 0 {
			t.Errorf("left in %s: %v, %v", kind, left, err)
		}
	}
}

// TestClientGone is case 68: a client that goes away in the middle of a call, or sends again what it sent, has one effect.
func TestClientGone(t *testing.T) {
	r := start(t, t.TempDir())
	defer r.end()
	ctx := t.Context()
	for i := range 20 {
		// Gone at some point between sending and the answer; then it tries again, as SDKs do.
		brief, cancel := context.WithTimeout(ctx, time.Duration(i)*time.Millisecond/2)
		event := &api.LiveEvent{Tracked: api.Tracked{Location: "local"}, Properties: api.LiveEventProperties{Input: &api.LiveEventInput{StreamingProtocol: "RTMP"}}}
		_, _ = r.client.CreateLiveEvent(brief, "ev", event, api.WriteOptions{AutoStart: true})
		cancel()
		_, err := r.client.CreateLiveEvent(ctx, "ev", event, api.WriteOptions{AutoStart: true})
		var e *api.Error
		if err != nil && (!errors.As(err, &e) || e.Status != http.StatusConflict) {
			t.Fatalf("the second try: %v", err)
		}
		r.until("the event runs", func() bool {
			got, err := r.client.GetLiveEvent(ctx, "ev")
			return err == nil && got.Properties.ResourceState == api.Running
		})
		if all, err := r.client.ListLiveEvents(ctx); err != nil || len(all) != 1 {
			t.Fatalf("%d events, %v", len(all), err)
		}
		brief, cancel = context.WithTimeout(ctx, time.Duration(i)*time.Millisecond/2)
		_ = r.client.StopLiveEvent(brief, "ev", api.StopOptions{})
		cancel()
		if err := r.client.StopLiveEvent(ctx, "ev", api.StopOptions{}); err != nil && (!errors.As(err, &e) || e.Status != http.StatusConflict) {
			t.Fatalf("the second stop: %v", err)
		}
		r.until("the event is stopped", func() bool {
			got, err := r.client.GetLiveEvent(ctx, "ev")
			return err == nil && got.Properties.ResourceState == api.Stopped
		})
		for range 2 {
			if _, err := r.client.DeleteLiveEvent(ctx, "ev"); err != nil {
				t.Fatal(err)
			}
		}
	}
}

// TestSlowClient is the rest of case 68: a body that comes a byte at a time has one effect when it is whole, and none when
// the client goes away before.
func TestSlowClient(t *testing.T) {
	r := start(t, t.TempDir())
	defer r.end()
	secret, err := os.ReadFile(r.ready.TokenFile)
	if err != nil {
		t.Fatal(err)
	}
	address := strings.TrimPrefix(r.ready.Control, "http://")
	const body = `{"properties":{"description":"one byte at a time"}}`
	send := func(name string, n int) (status int) {
		conn, err := net.Dial("tcp", address)
		if err != nil {
			t.Fatal(err)
		}
		defer conn.Close()
		head := fmt.Sprintf("PUT /subscriptions/00000000-0000-0000-0000-000000000000/resourceGroups/headwater/providers/Microsoft.Media/mediaservices/headwater/assets/%s?api-version=2022-08-01 HTTP/1.1\r\n"+
			"Host: %s\r\nAuthorization: Bearer %s\r\nx-ms-client-request-id: same\r\nContent-Length: %d\r\n\r\n", name, address, strings.TrimSpace(string(secret)), len(body))
		for _, b := range []byte(head + body[:n]) {
			if _, err := conn.Write([]byte{b}); err != nil {
				t.Fatal(err)
			}
		}
		if n < len(body) {
			return 0
		}
		resp, err := http.ReadResponse(bufio.NewReader(conn), nil)
		if err != nil {
			t.Fatal(err)
		}
		defer resp.Body.Close()
		return resp.StatusCode
	}
	send("cut", len(body)/2)
	for i, want := range []int{http.StatusCreated, http.StatusOK} {
		if got := send("slow", len(body)); got != want {
			t.Errorf("try %d: %d, want %d", i+1, got, want)
		}
	}
	all, err := r.client.ListAssets(t.Context(), api.ListOptions{})
	if err != nil || len(all) != 1 || all[0].Name != "slow" {
		t.Errorf("assets %v, %v", all, err)
	}
}
