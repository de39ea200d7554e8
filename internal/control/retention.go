package control

import (
	"context"
	"strings"
	"time"
)

// maxExpiryWait bounds how long the loop sleeps for the next asset to expire: clocks are set.
const maxExpiryWait = time.Hour

// dueAt returns when an asset expires: at the time it says, else the retention after its recording ended. ok is false when
// it does not.
func (s *Service) dueAt(a *assetRec) (due time.Time, ok bool) {
	switch {
	case a.Properties.Expires != nil:
		return a.Properties.Expires.Time, true
	case s.o.AssetRetention > 0 && !a.Ended.IsZero():
		return a.Ended.Add(s.o.AssetRetention), true
	}
	return due, false
}

// expire deletes assets whose time has come, with the locators that publish them, and returns how long it is to the next.
func (s *Service) expire(ctx context.Context) time.Duration {
	x := s.begin()
	defer x.end()
	now, wait := s.o.Now(), maxExpiryWait
	recorded := map[string]bool{}
	for _, o := range s.outputs.rows {
		recorded[o.rec.AssetID] = true
	}
	for _, a := range s.assets.rows {
		if a.rec.Deleting || recorded[a.rec.ID] {
			continue
		}
		due, ok := s.dueAt(&a.rec)
		if !ok {
			continue
		}
		if left := due.Sub(now); left > 0 {
			wait = min(wait, left)
			continue
		}
		for k, l := range s.locators.rows {
			if l.rec.AssetID == a.rec.ID {
				s.o.Log.Info("streaming locator withdrawn: its asset has expired", "locator", l.rec.Name, "asset", a.rec.Name)
				drop(x, &s.locators, k)
			}
		}
		s.o.Log.Info("asset expired", "asset", a.rec.Name, "due", due)
		s.doom(x, a)
	}
	if err := x.commit(ctx); err != nil {
		s.o.Log.Error("expired assets could not be deleted; it is tried again", "error", err)
		return retryMost
	}
	return wait
}

// doom marks an asset as being deleted; its filters go at once.
func (s *Service) doom(x *tx, a *row[assetRec]) {
	rec := a.rec
	rec.Deleting = true
	put(x, &s.assets, a.key, rec)
	for k, f := range s.filters.rows {
		if strings.EqualFold(f.rec.Asset, rec.Name) {
			drop(x, &s.filters, k)
		}
	}
}

// dropOutput deletes an output, with which the recording in its asset has ended.
func (s *Service) dropOutput(x *tx, o *row[outputRec]) {
	drop(x, &s.outputs, o.key)
	if a := s.assetByID(o.rec.AssetID); a != nil && a.rec.Output == o.rec.ID {
		rec := a.rec
		rec.Ended = s.o.Now().UTC()
		put(x, &s.assets, a.key, rec)
	}
}
