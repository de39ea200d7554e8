package storyboard

import (
	"bytes"
	"context"
	"errors"
	"image"
	"image/jpeg"
	"io"

	"headwater.stream/archive"
	"headwater.stream/internal/media"
)

// Sizes and qualities of the pictures.
const (
	thumbnailSide = 160 // the longer side
	posterSide    = 1280
	perRow        = 10
	perSheet      = perRow * perRow

	thumbnailQuality, posterQuality = 70, 82
)

// ErrNoKeyFrames is returned for a recording without a picture that stands for itself: sound alone, or one from before key
// frames were noted.
var ErrNoKeyFrames = errors.New("the recording has no key frames that are known")

// Make makes the storyboard of a recording that has ended.
func Make(ctx context.Context, d Decoder, v *media.View, src Source) (*archive.Storyboard, error) {
	list, end := pick(v)
	if len(list) == 0 {
		return nil, ErrNoKeyFrames
	}
	m := &maker{decoder: d, src: src, list: list, board: &archive.Storyboard{}, poster: -1}
	track := list[0].init.Track
	m.w, m.h = fit(track.Width, track.Height, thumbnailSide)
	if err := m.each(ctx, 0, len(list), m.w, m.h, m.place); err != nil {
		return nil, err
	}
	for i := range m.board.Thumbnails {
		t := &m.board.Thumbnails[i]
		if t.Start, t.End = list[i].at, end; i+1 < len(list) {
			t.End = list[i+1].at
		}
	}
	at := max(m.poster, 0)
	w, h := fit(list[at].init.Track.Width, list[at].init.Track.Height, posterSide)
	err := m.each(ctx, at, at+1, w, h, func(_ int, p *image.YCbCr) (err error) {
		m.board.Poster, err = encode(p, posterQuality)
		return err
	})
	return m.board, err
}

// fit returns the size of a picture whose longer side is at most side; both are even.
func fit(w, h, side int) (int, int) {
	w, h = max(w, 2), max(h, 2)
	if long := max(w, h); long > side {
		w, h = w*side/long, h*side/long
	}
	return max(w&^1, 2), max(h&^1, 2)
}

// maker makes one storyboard.
type maker struct {
	decoder Decoder
	src     Source
	list    []keyFrame
	board   *archive.Storyboard
	w, h    int // of a thumbnail
	sheet   *image.YCbCr
	poster  int // the key frame for it, -1 while none has been found
}

// each decodes key frames from lo to hi: one run of ffmpeg for those that follow each other with one initialization section.
func (m *maker) each(ctx context.Context, lo, hi, w, h int, take func(i int, p *image.YCbCr) error) error {
	for lo < hi {
		n := 1
		for lo+n < hi && m.list[lo+n].init.ID == m.list[lo].init.ID {
			n++
		}
		first := lo
		feed := func(out io.Writer) error {
			if _, err := out.Write(m.list[first].init.Body); err != nil {
				return err
			}
			for i := range n {
				b, err := movie(ctx, m.src, &m.list[first+i], i)
				if errors.Is(err, media.ErrNotFound) {
					continue // damaged since: the one before stands for it
				}
				if err != nil {
					return err
				}
				if _, err := out.Write(b); err != nil {
					return err
				}
			}
			return nil
		}
		if err := m.decoder.pictures(ctx, n, w, h, feed, func(i int, p *image.YCbCr) error { return take(first+i, p) }); err != nil {
			return err
		}
		lo += n
	}
	return nil
}

// place puts a thumbnail on its sheet.
func (m *maker) place(i int, p *image.YCbCr) error {
	k := i % perSheet
	if k == 0 {
		n := min(len(m.list)-i, perSheet)
		m.sheet = image.NewYCbCr(image.Rect(0, 0, min(n, perRow)*m.w, (n+perRow-1)/perRow*m.h), image.YCbCrSubsampleRatio420)
		for j := range m.sheet.Cb { // black where there is none
			m.sheet.Cb[j], m.sheet.Cr[j] = 128, 128
		}
	}
	x, y := k%perRow*m.w, k/perRow*m.h
	for row := range m.h {
		copy(m.sheet.Y[m.sheet.YOffset(x, y+row):], p.Y[row*p.YStride:][:m.w])
	}
	for row := range m.h / 2 {
		to := m.sheet.COffset(x, y+2*row)
		copy(m.sheet.Cb[to:], p.Cb[row*p.CStride:][:m.w/2])
		copy(m.sheet.Cr[to:], p.Cr[row*p.CStride:][:m.w/2])
	}
	m.board.Thumbnails = append(m.board.Thumbnails, archive.Thumbnail{Sheet: i / perSheet, X: x, Y: y, W: m.w, H: m.h})
	if m.poster < 0 && detailed(p) {
		m.poster = i
	}
	if k < perSheet-1 && i < len(m.list)-1 {
		return nil
	}
	sheet, err := encode(m.sheet, thumbnailQuality)
	m.board.Sheets = append(m.board.Sheets, sheet)
	return err
}

// detailed reports whether a picture shows something: it is not nearly of one brightness, as black and titles in front are.
func detailed(p *image.YCbCr) bool {
	const deviation = 20 // of 255
	sum, squares := 0, 0
	for _, y := range p.Y {
		sum += int(y)
		squares += int(y) * int(y)
	}
	n := len(p.Y)
	mean := sum / n
	return squares/n-mean*mean > deviation*deviation
}

func encode(p *image.YCbCr, quality int) ([]byte, error) {
	var b bytes.Buffer
	err := jpeg.Encode(&b, p, &jpeg.Options{Quality: quality})
	return b.Bytes(), err
}
