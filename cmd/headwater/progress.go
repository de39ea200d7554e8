package main

import (
	"fmt"
	"io"
	"os"
	"strings"
	"time"
)

// progressBar shows how far long work has come, on one line of a terminal.
type progressBar struct {
	out   io.Writer // nil: nobody looks
	what  string
	begun time.Time
	shown time.Time
}

// barEvery is how often the line is written, barAfter how long work takes before there is one.
const (
	barEvery = 100 * time.Millisecond
	barAfter = 500 * time.Millisecond
	barWidth = 30
)

// newProgress returns a bar on w, if that is a terminal.
func newProgress(w io.Writer, what string) *progressBar {
	b := &progressBar{what: what, begun: time.Now()}
	if f, ok := w.(*os.File); ok {
		if st, err := f.Stat(); err == nil && st.Mode()&os.ModeCharDevice != 0 {
			b.out = w
		}
	}
	return b
}

// at shows that done of total bytes are.
func (b *progressBar) at(done, total int64) {
	now := time.Now()
	if b.out == nil || total <= 0 || now.Sub(b.begun) < barAfter || now.Sub(b.shown) < barEvery {
		return
	}
	b.shown = now
	fmt.Fprintf(b.out, "\r%s\x1b[K", b.line(done, total, now.Sub(b.begun)))
}

func (b *progressBar) line(done, total int64, took time.Duration) string {
	full := int(barWidth * done / total)
	rate := float64(done) / max(took.Seconds(), 0.001)
	left := time.Duration(float64(total-done) / max(rate, 1) * float64(time.Second)).Round(time.Second)
	return fmt.Sprintf("%s [%s%s] %3d %%  %.0f MB/s  %v left", b.what, strings.Repeat("#", full), strings.Repeat(".", barWidth-full), 100*done/total, rate/1e6, left)
}

// end takes the line away.
func (b *progressBar) end() {
	if !b.shown.IsZero() {
		fmt.Fprint(b.out, "\r\x1b[K")
	}
}
