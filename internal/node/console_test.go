package node

import (
	"context"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"headwater.stream/api"
	"headwater.stream/internal/control"
)

// TestConsoleMedia: who has signed in sees previews and recordings that nobody else may, live and when they are complete, and
// nothing by another's name; a blocked reload of theirs does not hold up the end.
func TestConsoleMedia(t *testing.T) {
	faults(t, func(r *faultRig) {
		t := r.t
		const asset = "33333333-2222-3333-4444-555555555555"
		nobody := control.AllowList{}
		r.desired.Assets[0] = control.AssetSpec{ID: asset, Name: "secret", Container: "secret", ManifestName: "show"}
		r.desired.Outputs[0].ID, r.desired.Outputs[0].AssetID, r.desired.Locators[0].AssetID = "o2", asset, asset
		r.desired.Events[0].PreviewAllow = nobody
		r.apply()
		const token = "0123456789abcdef0123456789abcdef"
		n := &node{runtime: r.rt, cfg: Config{Log: slog.New(slog.DiscardHandler)}}
		leaving, leave := context.WithCancel(t.Context())
		console := n.withConsole(http.NotFoundHandler(), api.SingleToken(token), leaving)
		var cookie string
		ask := func(method, path, body string) (int, string) {
			q := httptest.NewRequest(method, path, strings.NewReader(body))
			q.Header.Set("Sec-Fetch-Site", "same-origin")
			q.Header.Set("Cookie", cookie)
			w := httptest.NewRecorder()
			console.ServeHTTP(w, q)
			if set := w.Header().Get("Set-Cookie"); set != "" {
				cookie, _, _ = strings.Cut(set, ";")
			}
			return w.Code, w.Body.String()
		}
		session := r.send(publisher{}, 6*time.Second)
		defer session.Close()
		r.desired.EndpointRunning, r.desired.Locators = false, nil
		r.apply()
		const preview, recording = "/console/media/" + faultPreview + "/preview.ism/", "/console/media/" + asset + "/secret.ism/"
		sees := func(path string, want int, text string) {
			t.Helper()
			if status, body := ask("GET", path, ""); status != want || !strings.Contains(body, text) {
				t.Errorf("%s: %d %.200q, want %d with %q", path, status, body, want, text)
			}
		}
		sees(preview+"master.m3u8", 401, "Sign in")
		if status, body := ask("POST", "/console/session", `{"token":"`+token+`"}`); status != 200 {
			t.Fatal(status, body)
		}
		sees(preview+"master.m3u8", 200, "v1/media.m3u8")
		sees(preview+"v1/media.m3u8", 200, "#EXT-X-PART:")
		sees(preview+"download.mp4", 404, "")
		sees(recording+"v1/media.m3u8", 200, "seg-")
		sees(recording+"download.mp4", 404, "") // not complete
		sees("/console/media/"+faultLocator+"/show.ism/master.m3u8", 404, "")
		sees("/console/media/"+faultPreview+"/other.ism/master.m3u8", 404, "")

		answered := make(chan int, 1)
		go func() {
			status, _ := ask("GET", preview+"v1/media.m3u8?_HLS_msn=4", "")
			answered <- status
		}()
		synctest.Wait()
		select {
		case status := <-answered:
			t.Fatalf("a blocked reload was answered %d at once", status)
		default:
		}
		leave()
		began := time.Now()
		<-answered
		if waited := time.Since(began); waited > 0 {
			t.Errorf("a blocked reload held up the end for %v", waited)
		}
		r.desired.Outputs = nil
		r.apply()
		r.lists = nil // the viewer's locator is gone
	})
}
