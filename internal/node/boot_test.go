package node

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"headwater.stream/api"
	"headwater.stream/archive"
	"headwater.stream/archive/fsstore"
	"headwater.stream/ingest"
	"headwater.stream/internal/media"
	"headwater.stream/internal/timeline"
)

// bootBound is how long a start may take with what BenchmarkBoot has.
const bootBound = 3 * time.Second

// BenchmarkBoot starts a node that has 100 live events, each running, recorded and published, with 24 hours in each archive: 43,200
// segments in each of two renditions. It is ready when viewers and encoders are served. The old segments' files are not there:
// nothing opens them at the start, except the newest.
func BenchmarkBoot(b *testing.B) {
	const events, segments = 100, 24 * 3600 / 2
	dir := b.TempDir()
	tokens := make([]string, events)
	stop := boot(b, dir, func(c *api.Client, _ Ready) {
		ctx := b.Context()
		for i := range events {
			name := fmt.Sprintf("ev%d", i)
			e, err := c.CreateLiveEvent(ctx, name, &api.LiveEvent{Tracked: api.Tracked{Location: "local"},
				Properties: api.LiveEventProperties{Input: &api.LiveEventInput{StreamingProtocol: "RTMP"}, StreamOptions: []string{"LowLatencyV2"}}}, api.WriteOptions{AutoStart: true})
			if err != nil {
				b.Fatal(err)
			}
			tokens[i] = e.Properties.Input.AccessToken
		}
	})
	stop()
	// Numbering goes on at the end of a day; the asset's index then gets the day before the media that follow, which are real.
	anchor := time.Now().Add(-24 * time.Hour).Truncate(time.Second)
	directories(b, filepath.Join(dir, "events"), events, func(_ string, d *fsstore.Dir) error {
		return d.SaveHeader(timeline.Header{Anchor: anchor, SegmentTarget: 3 * time.Second, PartTarget: 210 * time.Millisecond, Parts: true, Epoch: 100, Number: segments, Reserved: segments + 16})
	})
	stop = boot(b, dir, func(c *api.Client, ready Ready) {
		ctx := b.Context()
		for i, token := range tokens {
			name := fmt.Sprintf("ev%d", i)
			_, err := c.PutAsset(ctx, name, &api.Asset{Properties: api.AssetProperties{Container: "asset-" + name}})
			_, err2 := c.CreateLiveOutput(ctx, name, "out", &api.LiveOutput{Properties: api.LiveOutputProperties{AssetName: name, ArchiveWindowLength: "PT25H"}})
			_, err3 := c.CreateStreamingLocator(ctx, name, &api.StreamingLocator{Properties: api.StreamingLocatorProperties{AssetName: name, StreamingPolicyName: "Predefined_ClearStreamingOnly"}})
			src, err4 := ingest.OpenSource("../../testdata/demo.flv")
			if err := errors.Join(err, err2, err3, err4); err != nil {
				b.Fatal(err)
			}
			err = ingest.Publish(ctx, ready.RTMP+"/live/"+token+"/key", src, ingest.PublishOptions{Unpaced: true})
			if err := errors.Join(err, src.Close()); err != nil {
				b.Fatal(err)
			}
		}
	})
	stop()
	directories(b, filepath.Join(dir, "assets"), events, func(path string, d *fsstore.Dir) error {
		st, _, err := d.Load()
		if err != nil {
			return err
		}
		for _, r := range st.Header.Renditions {
			file := filepath.Join(path, r.Name, "index.hwx")
			body, err := os.ReadFile(file)
			if err != nil {
				return err
			}
			first := st.Segments[r.Name][0]
			index := archive.IndexHeader(r.Timescale)
			for n := range first.Number {
				long := 2 * int64(r.Timescale)
				index = append(index, archive.SegmentRecord(media.Segment{Number: n, Start: first.Start - int64(first.Number-n)*long, Duration: long, Size: 1 << 20, Epoch: 100, Init: first.Init}, anchor, 0)...)
			}
			if err := os.WriteFile(file, append(index, body[archive.RecordSize:]...), 0o600); err != nil {
				return err
			}
		}
		info := d.Info()
		info.First = 0
		return d.SaveInfo(info)
	})
	syscall.Sync() // what was written above is not part of it
	for b.Loop() {
		began := time.Now()
		stop := boot(b, dir, func(c *api.Client, ready Ready) {
			d := time.Since(began)
			b.StopTimer()
			b.Logf("ready after %v", d.Round(time.Millisecond))
			if d > bootBound {
				b.Errorf("that is more than %v", bootBound)
			}
			for i := 0; i < events; i += 33 { // everything is there
				paths, err := c.StreamingLocatorPaths(b.Context(), fmt.Sprintf("ev%d", i))
				if err != nil {
					b.Fatal(err)
				}
				base := paths.StreamingPaths[0].Paths[0]
				resp, err := http.Get(ready.Origin + base[:strings.LastIndex(base, "/")+1] + "v1/media.m3u8")
				if err != nil {
					b.Fatal(err)
				}
				body, err := io.ReadAll(resp.Body)
				resp.Body.Close()
				if n := strings.Count(string(body), "#EXTINF"); err != nil || n < segments {
					b.Fatalf("ev%d lists %d segments: %d %v %.300s", i, n, resp.StatusCode, err, body)
				}
			}
		})
		stop()
		b.StartTimer()
	}
}

// directories calls f with each directory of a store.
func directories(b *testing.B, base string, want int, f func(path string, d *fsstore.Dir) error) {
	b.Helper()
	store, err := fsstore.New(base, fsstore.Options{Sync: time.Hour})
	if err != nil {
		b.Fatal(err)
	}
	names, err := store.List()
	if err != nil || len(names) != want {
		b.Fatalf("%d directories in %s: %v", len(names), base, err)
	}
	for _, name := range names {
		d, err := store.Open(name)
		if err == nil {
			err = errors.Join(f(filepath.Join(base, name), d.(*fsstore.Dir)), d.Close())
		}
		if err != nil {
			b.Fatal(err)
		}
	}
	if err := store.Close(); err != nil {
		b.Fatal(err)
	}
}

// boot runs a node until the returned function ends it; f is called when it is ready.
func boot(b *testing.B, dir string, f func(*api.Client, Ready)) (stop func()) {
	b.Helper()
	file := filepath.Join(b.TempDir(), "ready")
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan error, 1)
	go func() {
		done <- Run(ctx, Config{DataDir: dir, OriginListen: "127.0.0.1:0", ControlListen: "127.0.0.1:0", RTMPListen: "127.0.0.1:0", ReadyFile: file,
			SyncInterval: time.Second, Log: slog.New(slog.DiscardHandler)})
	}()
	var ready Ready
	for end := time.Now().Add(time.Minute); ; <-time.After(time.Millisecond) {
		if raw, err := os.ReadFile(file); err == nil && json.Unmarshal(raw, &ready) == nil {
			break
		}
		if time.Now().After(end) || len(done) > 0 {
			b.Fatalf("the node is not ready: %v", <-done)
		}
	}
	token, err := os.ReadFile(ready.TokenFile)
	if err != nil {
		b.Fatal(err)
	}
	f(api.NewClient(api.ClientOptions{BaseURL: ready.Control, Token: strings.TrimSpace(string(token))}), ready)
	return func() {
		cancel()
		if err := <-done; err != nil {
			b.Error(err)
		}
	}
}
