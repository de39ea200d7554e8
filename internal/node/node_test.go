package node

import (
	"bytes"
	"context"
	"crypto/tls"
	"crypto/x509"
	"encoding/json"
	"errors"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"go.uber.org/goleak"

	"headwater.stream/api"
	"headwater.stream/ingest"
	"headwater.stream/internal/control"
	"headwater.stream/internal/media"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// running is a node in this process.
type running struct {
	t      *testing.T
	dir    string
	ready  Ready
	client *api.Client
	http   *http.Client
	stop   context.CancelFunc
	done   chan error
}

func start(t *testing.T, dir string) *running { return startWith(t, dir, Config{}) }

func startWith(t *testing.T, dir string, cfg Config) *running {
	t.Helper()
	ctx, cancel := context.WithCancel(context.Background())
	r := &running{t: t, dir: dir, stop: cancel, done: make(chan error, 1), http: &http.Client{Transport: &http.Transport{}}}
	file := filepath.Join(t.TempDir(), "ready")
	log := slog.New(slog.NewTextHandler(t.Output(), nil))
	cfg.DataDir, cfg.OriginListen, cfg.ControlListen, cfg.RTMPListen, cfg.ReadyFile = dir, "127.0.0.1:0", "127.0.0.1:0", "127.0.0.1:0", file
	cfg.SyncInterval, cfg.Log = time.Second, log
	go func() { r.done <- Run(ctx, cfg) }()
	r.until("ready", func() bool {
		select {
		case err := <-r.done:
			t.Fatalf("the node ended: %v", err)
		default:
		}
		b, err := os.ReadFile(file)
		return err == nil && json.Unmarshal(b, &r.ready) == nil
	})
	token, err := os.ReadFile(r.ready.TokenFile)
	if err != nil {
		t.Fatal(err)
	}
	r.client = api.NewClient(api.ClientOptions{BaseURL: r.ready.Control, Token: strings.TrimSpace(string(token)), HTTP: r.http})
	return r
}

func (r *running) end() {
	r.t.Helper()
	r.stop()
	if err := <-r.done; err != nil {
		r.t.Errorf("the node ended with: %v", err)
	}
	r.http.CloseIdleConnections()
}

func (r *running) until(what string, f func() bool) {
	r.t.Helper()
	for end := time.Now().Add(30 * time.Second); !f(); <-time.After(10 * time.Millisecond) {
		if time.Now().After(end) {
			r.t.Fatalf("%s: not within 30 s", what)
		}
	}
}

func (r *running) get(path string) (int, string) {
	r.t.Helper()
	resp, err := r.http.Get(r.ready.Origin + path)
	if err != nil {
		r.t.Fatal(err)
	}
	defer resp.Body.Close()
	b, err := io.ReadAll(resp.Body)
	if err != nil {
		r.t.Fatal(err)
	}
	return resp.StatusCode, string(b)
}

// publish sends the demo clip until the returned function is called.
func (r *running) publish(url string) (end func()) {
	r.t.Helper()
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan error, 1)
	go func() {
		done <- Publish(ctx, "../../testdata/demo.flv", url+"/key", true, nil, slog.New(slog.DiscardHandler))
	}()
	return func() {
		r.t.Helper()
		cancel()
		var refusal *ingest.Refusal
		if err := <-done; err != nil && !errors.As(err, &refusal) {
			r.t.Errorf("publisher: %v", err)
		}
	}
}

// TestLife is the life of an event in one process and over a restart: refused, published, watched, recorded, restarted,
// resumed, ended, replayed, withdrawn.
func TestLife(t *testing.T) {
	ctx := t.Context()
	dir := t.TempDir()
	r := start(t, dir)
	must := func(err error) {
		t.Helper()
		if err != nil {
			t.Fatal(err)
		}
	}
	const token, preview, published = "0123456789abcdef0123456789abcdef", "11111111-2222-3333-4444-555555555555", "22222222-2222-3333-4444-555555555555"
	_, err := r.client.CreateLiveEvent(ctx, "ev", &api.LiveEvent{
		Tracked: api.Tracked{Location: "local"},
		Properties: api.LiveEventProperties{
			Input:         &api.LiveEventInput{StreamingProtocol: "RTMP", AccessToken: token, KeyFrameIntervalDuration: "PT1S"},
			Preview:       &api.LiveEventPreview{PreviewLocator: preview},
			StreamOptions: []string{"LowLatencyV2"},
		},
	}, api.WriteOptions{})
	must(err)
	url := r.ready.RTMP + "/live/" + token
	refusedWith := func(url, want string) {
		t.Helper()
		err := Publish(ctx, "../../testdata/demo.flv", url+"/key", true, nil, slog.New(slog.DiscardHandler))
		var refusal *ingest.Refusal
		if !errors.As(err, &refusal) || !strings.Contains(refusal.Description, want) {
			t.Errorf("publishing to %s: %v, want a refusal that says %q", url, err, want)
		}
	}
	refusedWith(url, "stopped")
	must(r.client.StartLiveEvent(ctx, "ev"))
	refusedWith(r.ready.RTMP+"/live/ffff", "access token")
	_, err = r.client.PutAsset(ctx, "as", &api.Asset{})
	must(err)
	_, err = r.client.CreateLiveOutput(ctx, "ev", "out", &api.LiveOutput{Properties: api.LiveOutputProperties{AssetName: "as", ArchiveWindowLength: "PT1H", ManifestName: "show"}})
	must(err)
	_, err = r.client.CreateStreamingLocator(ctx, "loc", &api.StreamingLocator{Properties: api.StreamingLocatorProperties{
		AssetName: "as", StreamingPolicyName: "Predefined_ClearStreamingOnly", StreamingLocatorID: published}})
	must(err)
	paths, err := r.client.StreamingLocatorPaths(ctx, "loc")
	must(err)
	base := "/" + published + "/show.ism/"
	if len(paths.StreamingPaths) != 2 || paths.StreamingPaths[0].Paths[0] != base+"manifest(format=m3u8-cmaf)" {
		t.Errorf("paths %+v", paths.StreamingPaths)
	}

	endPublish := r.publish(url)
	segments := func(path string) []string {
		status, body := r.get(path)
		if status != http.StatusOK {
			return nil
		}
		var names []string
		for line := range strings.Lines(body) {
			if strings.HasPrefix(line, "seg-") {
				names = append(names, strings.TrimSpace(line))
			}
		}
		return names
	}
	r.until("three segments in the preview and in the recording", func() bool {
		return len(segments("/"+preview+"/preview.ism/v1/media.m3u8")) >= 3 && len(segments(base+"v1/media.m3u8")) >= 3
	})
	for _, path := range []string{base + "master.m3u8", base + "manifest.mpd", base + "a1/media.m3u8", "/watch/", "/time"} {
		if status, _ := r.get(path); status != http.StatusOK {
			t.Errorf("%s: %d", path, status)
		}
	}
	bytesOf := map[string]string{}
	for _, name := range segments(base + "v1/media.m3u8") {
		_, bytesOf[name] = r.get(base + "v1/" + name)
	}
	checkBytes := func(when string) {
		t.Helper()
		for name, want := range bytesOf {
			if status, got := r.get(base + "v1/" + name); status != http.StatusOK || got != want {
				t.Errorf("%s %s: status %d, %d bytes, before %d", when, name, status, len(got), len(want))
			}
		}
	}

	// Restart in the middle: the same playlist goes on.
	r.end()
	endPublish()
	r = start(t, dir)
	defer func() { r.end() }()
	url = r.ready.RTMP + "/live/" + token
	checkBytes("after a restart")
	endPublish = r.publish(url)
	n := len(bytesOf)
	r.until("the recording goes on", func() bool { return len(segments(base+"v1/media.m3u8")) >= n+2 })
	_, playlist := r.get(base + "v1/media.m3u8")
	if strings.Count(playlist, "#EXT-X-DISCONTINUITY\n") != 1 || !strings.Contains(playlist, "#EXT-X-MEDIA-SEQUENCE:0\n") {
		t.Errorf("after a restart the playlist does not go on:\n%s", playlist)
	}

	if err := r.client.StopLiveEvent(ctx, "ev", api.StopOptions{}); err == nil {
		t.Error("an event with outputs was stopped")
	}
	if _, err := r.client.DeleteLiveOutput(ctx, "ev", "out"); err != nil {
		t.Fatal(err)
	}
	_, playlist = r.get(base + "v1/media.m3u8")
	if !strings.HasSuffix(playlist, "#EXT-X-ENDLIST\n") || !strings.Contains(playlist, "#EXT-X-PLAYLIST-TYPE:VOD\n") {
		t.Errorf("after the output ended:\n%s", playlist)
	}
	if _, mpd := r.get(base + "manifest.mpd"); !strings.Contains(mpd, `type="static"`) {
		t.Errorf("after the output ended:\n%s", mpd)
	}
	checkBytes("in the replay")
	asset, err := r.client.GetAsset(ctx, "as")
	must(err)
	container := filepath.Join(dir, "assets", asset.Properties.Container)
	for _, name := range []string{"master.m3u8", "manifest.mpd", "v1/media.m3u8", "a1/media.m3u8", "asset.json"} {
		b, err := os.ReadFile(filepath.Join(container, name))
		if err != nil || len(b) == 0 {
			t.Errorf("asset directory: %s: %v", name, err)
		}
	}
	for name, want := range bytesOf {
		if got, err := os.ReadFile(filepath.Join(container, "v1", name)); err != nil || !bytes.Equal(got, []byte(want)) {
			t.Errorf("asset directory: %s: %v", name, err)
		}
	}
	must(r.client.StopLiveEvent(ctx, "ev", api.StopOptions{}))
	endPublish() // it was told that the event was stopped
	if status, _ := r.get("/" + preview + "/preview.ism/master.m3u8"); status != http.StatusNotFound {
		t.Errorf("preview of a stopped event: %d", status)
	}
	if _, err := r.client.DeleteStreamingLocator(ctx, "loc"); err != nil {
		t.Fatal(err)
	}
	if status, _ := r.get(base + "master.m3u8"); status != http.StatusNotFound {
		t.Errorf("after the locator was deleted: %d", status)
	}
	if _, err := r.client.DeleteLiveEvent(ctx, "ev"); err != nil {
		t.Fatal(err)
	}
	if _, err := r.client.DeleteAsset(ctx, "as"); err != nil {
		t.Fatal(err)
	}
	// All of it is in the event log, in its order, the life before the restart included.
	told, err := r.client.ListEvents(ctx, api.EventOptions{Last: 1000})
	must(err)
	var kinds []string
	for _, e := range told {
		kinds = append(kinds, e.Type)
	}
	at := 0
	for _, want := range []string{"LiveEventCreated", "LiveEventStarted", "AssetCreated", "LiveOutputStarted", "StreamingLocatorCreated", "LiveEventEncoderConnected",
		"LiveEventEncoderDisconnected", "LiveEventEncoderConnected", "AssetRecordingEnded", "LiveEventStopped", "StreamingLocatorDeleted", "LiveEventDeleted", "AssetDeleted"} {
		for at < len(kinds) && !strings.HasSuffix(kinds[at], "."+want) {
			at++
		}
		if at++; at > len(kinds) {
			t.Errorf("no %s where it should be in %v", want, kinds)
			break
		}
	}
	for _, kind := range []string{"assets", "events"} {
		r.until("removed "+kind, func() bool {
			left, err := os.ReadDir(filepath.Join(dir, kind))
			return err == nil && len(left) == 0
		})
	}
}

// TestControlTLS talks to the control API over TLS with the certificate that the node made, which outlives a restart.
func TestControlTLS(t *testing.T) {
	dir := t.TempDir()
	var first []byte
	for range 2 {
		r := startWith(t, dir, Config{ControlTLS: TLSSelf})
		cert, err := os.ReadFile(filepath.Join(dir, certificateName))
		if err != nil {
			t.Fatal(err)
		}
		if first == nil {
			first = cert
		}
		if !bytes.Equal(first, cert) {
			t.Error("the certificate changed over a restart")
		}
		roots := x509.NewCertPool()
		roots.AppendCertsFromPEM(cert)
		r.http.Transport.(*http.Transport).TLSClientConfig = &tls.Config{RootCAs: roots}
		if _, err := r.client.ListLiveEvents(t.Context()); err != nil {
			t.Error(err)
		}
		if !strings.HasPrefix(r.ready.Control, "https://") {
			t.Errorf("control URL %s", r.ready.Control)
		}
		info, err := os.Stat(filepath.Join(dir, privateKeyName))
		if err != nil || info.Mode().Perm() != 0o600 {
			t.Errorf("private key: %v, %v", info, err)
		}
		r.end()
	}
}

// TestAllowLists lets in, shuts out and disconnects by address.
func TestAllowLists(t *testing.T) {
	nobody := control.AllowList{}
	faults(t, func(r *faultRig) {
		s := r.send(publisher{audio: 48000}, 5*time.Second)
		r.desired.Events[0].IngestAllow, r.desired.Events[0].PreviewAllow = nobody, nobody
		r.apply()
		if err := s.WriteSample(media.Sample{}); err == nil {
			t.Error("a publisher that is not allowed any more goes on")
		}
		if err := s.Close(); err != nil {
			t.Error(err)
		}
		if _, err := r.admit("192.0.2.1:1"); err == nil {
			t.Error("a publisher that is not allowed was let in")
		}
		w := httptest.NewRecorder()
		r.handler.ServeHTTP(w, httptest.NewRequest(http.MethodGet, "/"+faultPreview+"/preview.ism/master.m3u8", nil))
		if w.Code != http.StatusForbidden {
			t.Errorf("preview: status %d", w.Code)
		}
		r.desired.ViewerAllow = nobody
		r.apply()
		if status, _ := r.get("master.m3u8"); status != http.StatusForbidden {
			t.Errorf("locator: status %d", status)
		}
		r.desired.ViewerAllow = nil
		r.apply()
	})
}

// TestWrongTokens is case 63 of the acceptance list on a whole node, before and after a restart: whatever is asked for, and
// however the token is wrong, the answer is 401 and nothing is done.
func TestWrongTokens(t *testing.T) {
	dir := t.TempDir()
	for range 2 {
		r := start(t, dir)
		secret, err := os.ReadFile(r.ready.TokenFile)
		if err != nil {
			t.Fatal(err)
		}
		token := strings.TrimSpace(string(secret))
		account := "/subscriptions/00000000-0000-0000-0000-000000000000/resourceGroups/headwater/providers/Microsoft.Media/mediaservices/headwater"
		ask := func(method, path string, authorization ...string) int {
			req, err := http.NewRequestWithContext(t.Context(), method, r.ready.Control+path, strings.NewReader("{}"))
			if err != nil {
				t.Fatal(err)
			}
			req.Header["Authorization"] = authorization
			req.Header.Set("X-Forwarded-For", "127.0.0.1")
			resp, err := r.http.Do(req)
			if err != nil {
				t.Fatal(err)
			}
			_ = resp.Body.Close()
			return resp.StatusCode
		}
		for _, path := range []string{account + "/assets/a?api-version=2022-08-01", strings.Replace(account, "subs", "%73ubs", 1) + "/assets/a?api-version=2022-08-01", "/metrics", "/openapi.json", "/debug/pprof/", "/"} {
			for _, method := range []string{http.MethodGet, http.MethodPut, http.MethodPatch, http.MethodPost, http.MethodDelete, http.MethodOptions, "BREW"} {
				for _, wrong := range [][]string{nil, {""}, {token}, {"Bearer"}, {"Bearer " + token[1:]}, {"Bearer " + strings.ToUpper(token)}, {"Basic " + token}, {"Bearer " + strings.Repeat(token, 500)}, {"Bearer " + token, "Bearer " + token}} {
					if status := ask(method, path, wrong...); status != http.StatusUnauthorized {
						t.Errorf("%s %s with %.40q: %d", method, path, wrong, status)
					}
				}
			}
		}
		for path, want := range map[string]int{"/debug/pprof/goroutine?debug=1": http.StatusOK, "/debug/pprof/cmdline": http.StatusNotFound} {
			if status := ask(http.MethodGet, path, "bearer "+token); status != want {
				t.Errorf("%s: %d", path, status)
			}
		}
		if status := ask(http.MethodGet, "/metrics", "bearer "+token); status != http.StatusOK {
			t.Errorf("metrics: %d", status)
		}
		if all, err := r.client.ListAssets(t.Context(), api.ListOptions{}); err != nil || len(all) != 0 {
			t.Errorf("assets %v, %v", all, err)
		}
		r.end()
	}
}
