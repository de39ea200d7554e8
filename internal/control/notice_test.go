package control_test

import (
	"encoding/json"
	"slices"
	"strings"
	"sync"
	"testing"

	"headwater.stream/api"
	"headwater.stream/internal/journal"
)

// memJournal is a journal in memory.
type memJournal struct {
	mu   sync.Mutex
	list []journal.Event
}

func (j *memJournal) Append(list ...journal.Event) {
	j.mu.Lock()
	defer j.mu.Unlock()
	j.list = append(j.list, list...)
}

func (j *memJournal) lines() (all []string) {
	j.mu.Lock()
	defer j.mu.Unlock()
	for _, e := range j.list {
		all = append(all, strings.TrimPrefix(e.Type, "Headwater.")+" "+e.Subject)
	}
	return all
}

// TestLifeCycleEvents: every step in the life of a resource is told once, when it is stored, in the order it was taken.
func TestLifeCycleEvents(t *testing.T) {
	p := startMem(t)
	j := p.journal
	ctx := t.Context()
	j.list = nil // of the first boot
	must[*api.LiveEvent](t)(p.CreateLiveEvent(ctx, "Show", rtmp(), api.WriteOptions{}))
	check(t, p.StartLiveEvent(ctx, "show"))
	must[*api.Asset](t)(p.PutAsset(ctx, "rec", &api.Asset{}))
	must[*api.Asset](t)(p.PutAsset(ctx, "rec", &api.Asset{})) // nothing new
	must[*api.LiveOutput](t)(p.CreateLiveOutput(ctx, "show", "out", outputOn("rec")))
	must[*api.StreamingLocator](t)(p.CreateStreamingLocator(ctx, "loc", &api.StreamingLocator{Properties: api.StreamingLocatorProperties{AssetName: "rec", StreamingPolicyName: "Predefined_ClearStreamingOnly"}}))
	must[bool](t)(p.DeleteLiveOutput(ctx, "show", "out"))
	check(t, p.StopLiveEvent(ctx, "show", api.StopOptions{}))
	must[bool](t)(p.DeleteLiveEvent(ctx, "show"))
	must[bool](t)(p.DeleteStreamingLocator(ctx, "loc"))
	must[bool](t)(p.DeleteAsset(ctx, "rec"))
	check(t, p.StopStreamingEndpoint(ctx, "default"))
	want := []string{
		"LiveEventCreated liveEvent/Show", "LiveEventStarted liveEvent/Show", "AssetCreated asset/rec",
		"LiveOutputCreated liveEvent/Show/liveOutput/out", "LiveOutputStarted liveEvent/Show/liveOutput/out", "StreamingLocatorCreated streamingLocator/loc",
		"LiveOutputDeleted liveEvent/Show/liveOutput/out", "AssetRecordingEnded asset/rec", "LiveEventStopped liveEvent/Show", "LiveEventDeleted liveEvent/Show",
		"StreamingLocatorDeleted streamingLocator/loc", "AssetDeleted asset/rec", "StreamingEndpointStopped streamingEndpoint/default",
	}
	if got := j.lines(); !slices.Equal(got, want) {
		t.Errorf("got\n%s\nwant\n%s", strings.Join(got, "\n"), strings.Join(want, "\n"))
	}
	for _, e := range j.list {
		var d struct{ ResourceID, Name string }
		if err := json.Unmarshal(e.Data, &d); err != nil || !strings.HasPrefix(d.ResourceID, "/subscriptions/") || d.Name == "" || e.Time.IsZero() {
			t.Errorf("%s: %s: %v", e.Type, e.Data, err)
		}
	}
}
