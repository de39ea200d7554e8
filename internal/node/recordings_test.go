package node

import (
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"headwater.stream/api"
	"headwater.stream/archive/fsstore"
)

// live begins a broadcast that records into asset "as", published under the locator, and returns what to call for its end.
func (r *running) live(locator string) (endPublish func()) {
	r.t.Helper()
	ctx := r.t.Context()
	must := func(err error) {
		r.t.Helper()
		if err != nil {
			r.t.Fatal(err)
		}
	}
	const token = "0123456789abcdef0123456789abcdef"
	_, err := r.client.CreateLiveEvent(ctx, "ev", &api.LiveEvent{Tracked: api.Tracked{Location: "local"}, Properties: api.LiveEventProperties{
		Input: &api.LiveEventInput{StreamingProtocol: "RTMP", AccessToken: token, KeyFrameIntervalDuration: "PT1S"}}}, api.WriteOptions{AutoStart: true})
	must(err)
	_, err = r.client.PutAsset(ctx, "as", &api.Asset{})
	must(err)
	_, err = r.client.CreateLiveOutput(ctx, "ev", "out", &api.LiveOutput{Properties: api.LiveOutputProperties{AssetName: "as", ArchiveWindowLength: "PT1H", ManifestName: "show"}})
	must(err)
	r.locate("as", locator, "Predefined_ClearStreamingOnly")
	return r.publish(r.ready.RTMP + "/live/" + token)
}

// locate publishes an asset.
func (r *running) locate(asset, id, policy string) {
	r.t.Helper()
	_, err := r.client.CreateStreamingLocator(r.t.Context(), "loc-"+asset, &api.StreamingLocator{Properties: api.StreamingLocatorProperties{
		AssetName: asset, StreamingPolicyName: policy, StreamingLocatorID: id}})
	if err != nil {
		r.t.Fatal(err)
	}
}

// objects returns the segments that a media playlist lists, with their bytes, by path below base.
func (r *running) objects(base string) map[string]string {
	r.t.Helper()
	all := map[string]string{}
	for _, rendition := range []string{"v1/", "a1/"} {
		status, playlist := r.get(base + rendition + "media.m3u8")
		if status != http.StatusOK {
			return nil
		}
		gap := false
		for line := range strings.Lines(playlist) {
			line = strings.TrimSpace(line)
			if !strings.HasPrefix(line, "seg-") {
				gap = gap || line == "#EXT-X-GAP"
				continue
			}
			if !gap {
				status, body := r.get(base + rendition + line)
				if status != http.StatusOK {
					r.t.Errorf("%s: %d", base+rendition+line, status)
				}
				all[rendition+line] = body
			}
			gap = false
		}
	}
	return all
}

// TestClipAndImport clips a recording while it is live, and carries a copy of its directory, unended, to a server that never
// saw the event: both replay the same bytes, the import also after a restart.
func TestClipAndImport(t *testing.T) {
	const published, clipped = "22222222-2222-3333-4444-555555555555", "33333333-2222-3333-4444-555555555555"
	base, clipBase := "/"+published+"/show.ism/", "/"+clipped+"/show.ism/"
	dir, copied := t.TempDir(), filepath.Join(t.TempDir(), "copied")
	r := start(t, dir)
	endPublish := r.live(published)
	r.until("four segments", func() bool { return len(r.objects(base)) >= 8 })
	asset, err := r.client.GetAsset(t.Context(), "as")
	if err != nil {
		t.Fatal(err)
	}
	container := filepath.Join(dir, "assets", asset.Properties.Container)
	var clip *api.Asset
	r.until("two seconds are sealed", func() bool {
		clip, err = r.client.ClipAsset(t.Context(), "part", &api.AssetClip{AssetName: "as", Start: "1s", End: "PT2S"})
		return err == nil
	})
	r.locate("part", clipped, "Predefined_ClearStreamingOnly")
	live, part := r.objects(base), r.objects(clipBase)
	if len(part) < 2 || len(part) > 6 {
		t.Errorf("the clip has %d segments", len(part))
	}
	for name, b := range part {
		if live[name] != b {
			t.Errorf("%s: the clip has other bytes", name)
		}
	}
	if _, playlist := r.get(clipBase + "v1/media.m3u8"); !strings.HasSuffix(playlist, "#EXT-X-ENDLIST\n") {
		t.Errorf("the clip is not ended:\n%s", playlist)
	}
	if _, err := r.client.ClipAsset(t.Context(), "nothing", &api.AssetClip{AssetName: "as", Start: "99h"}); err == nil || !strings.Contains(err.Error(), "nothing between") {
		t.Errorf("a clip of nothing: %v", err)
	}
	if _, err := r.client.ClipAsset(t.Context(), "part", &api.AssetClip{AssetName: "as"}); err == nil || !strings.Contains(err.Error(), "exists") {
		t.Errorf("a clip onto an asset: %v", err)
	}
	if err := os.CopyFS(copied, os.DirFS(container)); err != nil {
		t.Fatal(err)
	}
	live = r.objects(base)
	r.end()
	endPublish()
	if report, err := fsstore.Check(t.Context(), filepath.Join(dir, "assets", clip.Properties.Container), fsstore.CheckOptions{Manifests: manifests}); err != nil || len(report.Findings) > 0 {
		t.Errorf("the clip's files: %+v, %v", report, err)
	}

	fresh := t.TempDir()
	r = start(t, fresh)
	defer func() { r.end() }()
	if _, err := r.client.ImportAsset(t.Context(), "there", &api.AssetImport{Directory: t.TempDir()}); err == nil || !strings.Contains(err.Error(), "asset.json") {
		t.Errorf("import of nothing: %v", err)
	}
	if _, err := r.client.ImportAsset(t.Context(), "there", &api.AssetImport{Directory: copied, Mode: api.ImportMove}); err != nil {
		t.Fatal(err)
	}
	if _, err := os.Stat(copied); !os.IsNotExist(err) {
		t.Errorf("the source was not moved: %v", err)
	}
	r.locate("there", published, "Predefined_ClearStreamingOnly")
	for _, when := range []string{"imported", "restarted"} {
		got := r.objects(base)
		if len(got) < 6 {
			t.Errorf("%s: %d segments", when, len(got))
		}
		same := 0
		for name, b := range got {
			if live[name] == b {
				same++
			} else if live[name] != "" {
				t.Errorf("%s: %s has other bytes", when, name)
			}
		}
		if same < 6 {
			t.Errorf("%s: %d segments are those of the live recording", when, same)
		}
		if _, mpd := r.get(base + "manifest.mpd"); !strings.Contains(mpd, `type="static"`) {
			t.Errorf("%s:\n%s", when, mpd)
		}
		if when == "imported" {
			r.end()
			r = start(t, fresh)
		}
	}
	if left, err := os.ReadDir(filepath.Join(fresh, "staging")); err != nil || len(left) > 0 {
		t.Errorf("left behind: %v, %v", left, err)
	}
}
