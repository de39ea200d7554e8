package origin

import (
	"testing"
	"time"
)

// TestDelay: quantiles are right to a fifth, and what is over is forgotten.
func TestDelay(t *testing.T) {
	now := time.Date(2026, 11, 25, 12, 0, 0, 0, time.UTC)
	d := NewDelay(func() time.Time { return now })
	if n, typical, _, _ := d.Read(); n != 0 || typical != 0 {
		t.Errorf("nothing: %d, %v", n, typical)
	}
	near := func(what string, got, want time.Duration) {
		t.Helper()
		if got < want || got > want*126/100+time.Microsecond {
			t.Errorf("%s %v, want %v", what, got, want)
		}
	}
	for i := range 100 {
		d.answered(now.Add(-time.Duration(i+1) * time.Millisecond))
	}
	n, typical, p95, most := d.Read()
	if n != 100 {
		t.Errorf("%d answers", n)
	}
	near("half", typical, 50*time.Millisecond)
	near("95 %", p95, 95*time.Millisecond)
	near("all", most, 100*time.Millisecond)
	for _, v := range []time.Duration{0, time.Microsecond, 4 * time.Microsecond, 7 * time.Microsecond, 8 * time.Microsecond, 1023 * time.Microsecond, time.Second, time.Hour} {
		if b := delayBound(delayBucket(v)); b <= v && v < time.Hour || v >= 4*time.Microsecond && b > v*126/100+time.Microsecond {
			t.Errorf("%v counts as %v", v, b)
		}
	}
	now = now.Add(delayPeriod)
	d.answered(now.Add(-time.Second))
	if n, _, _, _ := d.Read(); n != 101 {
		t.Errorf("%d answers in two periods", n)
	}
	now = now.Add(delayPeriod)
	if n, _, _, most := d.Read(); n != 1 || most < time.Second {
		t.Errorf("later: %d answers, at most %v", n, most)
	}
	now = now.Add(2 * delayPeriod)
	d.answered(now.Add(-time.Millisecond)) // in the place of the first period
	if n, _, _, most := d.Read(); n != 1 || most > 2*time.Millisecond {
		t.Errorf("much later: %d answers, at most %v", n, most)
	}
}
