package api

import (
	"testing"
	"time"
)

func TestParseMoment(t *testing.T) {
	day := time.Date(2026, 11, 25, 12, 0, 0, 500e6, time.UTC)
	for text, want := range map[string]struct {
		utc   time.Time
		media time.Duration
	}{
		"2026-11-25T12:00:00.5Z":      {utc: day},
		"2026-11-25T13:00:00.5+01:00": {utc: day},
		"0":                           {},
		"90.5":                        {media: 90500 * time.Millisecond},
		"1m30s":                       {media: 90 * time.Second},
		"PT1M30S":                     {media: 90 * time.Second},
	} {
		utc, media, err := ParseMoment(text)
		if err != nil || !utc.Equal(want.utc) || media != want.media {
			t.Errorf("%q: %v, %v, %v", text, utc, media, err)
		}
	}
	for _, text := range []string{"", "-5", "-5s", "yesterday", "12:00", "1e400", "PT", "5 s"} {
		if _, _, err := ParseMoment(text); err == nil {
			t.Errorf("%q is taken", text)
		}
	}
}
