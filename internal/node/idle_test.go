package node

import (
	"context"
	"net/http"
	"testing"
	"time"
)

// TestIdleReplay verifies that a replay nobody asks for is closed, and opened again for the next viewer.
func TestIdleReplay(t *testing.T) {
	faults(t, func(r *faultRig) {
		r.send(publisher{audio: 48000}, 8*time.Second).Close()
		r.desired.Outputs = nil
		r.apply()
		a := r.rt.byAsset["a"]
		if status, _ := r.get("v1/media.m3u8"); status != http.StatusOK || a.replay == nil {
			t.Fatalf("replay: status %d, open %v", status, a.replay != nil)
		}
		ctx, cancel := context.WithCancel(r.t.Context())
		defer cancel()
		go r.rt.rest(ctx)
		<-time.After(2 * idle) // fake time
		a.mu.Lock()
		open := a.replay != nil
		a.mu.Unlock()
		if open {
			t.Error("an idle replay stays open")
		}
		if status, _ := r.get("v1/media.m3u8"); status != http.StatusOK {
			t.Errorf("after it was closed: status %d", status)
		}
	})
}
