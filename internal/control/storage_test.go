package control_test

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"

	"headwater.stream/api"
	"headwater.stream/internal/control"
	"headwater.stream/internal/state"
	"headwater.stream/internal/state/boltstate"
	"headwater.stream/internal/state/memstate"
)

// fullStore takes no commits while err is set.
type fullStore struct {
	state.Store
	err error
}

func (s *fullStore) Commit(ctx context.Context, c ...state.Change) (uint64, error) {
	if s.err != nil {
		return 0, &os.PathError{Op: "write", Path: "state.db", Err: s.err}
	}
	return s.Store.Commit(ctx, c...)
}

// TestNoRoomForState: a write that the disk has no room for answers 507 and changes nothing (case 59).
func TestNoRoomForState(t *testing.T) {
	store := &fullStore{Store: memstate.New()}
	s, err := control.New(store, nil, control.Options{Log: slog.New(slog.DiscardHandler)})
	if err != nil {
		t.Fatal(err)
	}
	put := func(name string) error {
		_, _, err := s.PutAsset(t.Context(), name, &api.Asset{}, api.WriteOptions{})
		return err
	}
	if err := put("before"); err != nil {
		t.Fatal(err)
	}
	for _, full := range []error{syscall.ENOSPC, syscall.EDQUOT, syscall.EROFS, syscall.EACCES} {
		store.err = full
		if err := put("after"); api.StatusOf(err) != http.StatusInsufficientStorage {
			t.Errorf("%v: %v, status %d", full, err, api.StatusOf(err))
		}
		store.err = nil
		if _, err := s.GetAsset(t.Context(), "after"); api.StatusOf(err) != http.StatusNotFound {
			t.Errorf("%v: the asset is there: %v", full, err)
		}
	}
	if err := put("after"); err != nil {
		t.Errorf("with room again: %v", err)
	}
}

// TestStateOnFullDisk fills the disk of the state file: what was acknowledged is there after a restart, whatever was not.
func TestStateOnFullDisk(t *testing.T) {
	dir := t.TempDir()
	if err := syscall.Mount("tmpfs", dir, "tmpfs", 0, "size=1m"); err != nil {
		t.Log("mounting is not allowed here: TestNoRoomForState is all that can be tried")
		return
	}
	t.Cleanup(func() {
		if err := syscall.Unmount(dir, syscall.MNT_DETACH); err != nil {
			t.Error(err)
		}
	})
	file := filepath.Join(dir, "state.db")
	store, err := boltstate.Open(file)
	if err != nil {
		t.Fatal(err)
	}
	taken := 0
	for ; ; taken++ {
		_, err := store.Commit(t.Context(), state.Change{Kind: "asset", Key: fmt.Sprint(taken), Body: make([]byte, 20_000)})
		if errors.Is(err, syscall.ENOSPC) {
			break
		}
		if err != nil || taken > 100 {
			t.Fatalf("commit %d: %v", taken, err)
		}
	}
	if taken == 0 {
		t.Fatal("nothing fits")
	}
	if err := store.Close(); err != nil {
		t.Fatal(err)
	}
	if store, err = boltstate.Open(file); err != nil {
		t.Fatal(err)
	}
	defer store.Close()
	if list, err := store.List(t.Context(), "asset"); err != nil || len(list) != taken {
		t.Errorf("%d records after %d were acknowledged: %v", len(list), taken, err)
	}
}

// TestAlarmsInTheStatus: what cannot be written is in the status of its event, with the reason, whether an encoder is connected
// or not, and the health is poor as long as it lasts.
func TestAlarmsInTheStatus(t *testing.T) {
	p := startMem(t)
	ctx := t.Context()
	must[*api.LiveEvent](t)(p.CreateLiveEvent(ctx, "show", rtmp(), api.WriteOptions{AutoStart: true}))
	since := time.Date(2026, 11, 25, 12, 0, 0, 0, time.UTC)
	alarms := []control.Alarm{
		{Since: since, What: "the spool of the live event", Reason: "disk_full", Detail: "write seg: no space left on device"},
		{Since: since.Add(time.Minute), What: `the recording of live output "show/o"`, Reason: "quota", Detail: "the asset holds 5 bytes and may hold 4"},
	}
	for _, connected := range []bool{true, false} {
		for _, list := range [][]control.Alarm{alarms, nil} {
			p.runtime.mu.Lock()
			p.runtime.status = &control.EventStatus{Connected: connected, Since: since, Alarms: list}
			p.runtime.mu.Unlock()
			st := must[*api.LiveEventStatusList](t)(p.LiveEventStatus(ctx, "show")).Value[0]
			var got []string
			for _, text := range st.HealthDescriptions {
				if strings.HasPrefix(text, "Degraded") {
					got = append(got, text)
				}
			}
			if list == nil {
				if len(got) > 0 {
					t.Errorf("connected %v: without an alarm: %q", connected, got)
				}
				continue
			}
			if want := []string{
				"Degraded (disk_full) since 2026-11-25T12:00:00Z: the spool of the live event cannot be written to the disk: write seg: no space left on device",
				`Degraded (quota) since 2026-11-25T12:01:00Z: the recording of live output "show/o" cannot be written to the disk: the asset holds 5 bytes and may hold 4`,
			}; !slices.Equal(got, want) || st.HealthStatus != "Poor" {
				t.Errorf("connected %v: health %s: %q", connected, st.HealthStatus, got)
			}
		}
	}
}
