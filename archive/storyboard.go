package archive

import (
	"bytes"
	"fmt"
	"strconv"
	"strings"
	"time"

	"headwater.stream/internal/media"
)

// Storyboard is the poster of a recording and its thumbnails, many to a sheet.
type Storyboard struct {
	Poster     []byte   // JPEG
	Sheets     [][]byte // JPEG
	Thumbnails []Thumbnail
}

// Thumbnail says where a thumbnail is on its sheet, and from when to when it is shown: in the time of players, which has no
// outages.
type Thumbnail struct {
	Start, End time.Duration
	Sheet      int
	X, Y, W, H int
}

// Words of the end of a storyboard's text.
const (
	noteSums   = "NOTE CRC-32C "
	noteAbove  = " above "
	stampMilli = "%02d:%02d:%02d.%03d"
)

// Files returns the files of a storyboard in the order in which they are to be put in place: the last, its text, says that all
// are there. It is WebVTT with a sheet and a rectangle of it as the payload of each cue, as players take it, and ends with the
// checksums of the poster and of the text before.
func (b *Storyboard) Files() []StoryboardFile {
	var list []StoryboardFile
	names := make([]string, len(b.Sheets))
	for i, sheet := range b.Sheets {
		names[i] = media.SheetName(Checksum(0, sheet))
		list = append(list, StoryboardFile{names[i], sheet})
	}
	text := []byte("WEBVTT\n\n")
	for _, t := range b.Thumbnails {
		text = fmt.Appendf(text, "%s --> %s\n%s#xywh=%d,%d,%d,%d\n\n", stamp(t.Start), stamp(t.End), names[t.Sheet], t.X, t.Y, t.W, t.H)
	}
	text = fmt.Appendf(text, "%s%s %08x%s", noteSums, media.PosterName, Checksum(0, b.Poster), noteAbove)
	text = fmt.Appendf(text, "%08x\n", Checksum(0, text))
	return append(list, StoryboardFile{media.PosterName, b.Poster}, StoryboardFile{media.StoryboardName, text})
}

// StoryboardFile is a file of a Storyboard.
type StoryboardFile struct {
	Name string
	Body []byte
}

func stamp(d time.Duration) string {
	ms := d.Milliseconds()
	return fmt.Sprintf(stampMilli, ms/3600_000, ms/60_000%60, ms/1000%60, ms%1000)
}

// ParseStoryboard returns the checksums of the other files that the text of a storyboard names. The error wraps ErrDamaged when
// the text is not what was written.
func ParseStoryboard(text []byte) (sums map[string]uint32, err error) {
	wrong := fmt.Errorf("%w: %s is not what was written", ErrDamaged, media.StoryboardName)
	at := bytes.LastIndex(text, []byte(noteAbove))
	if at < 0 {
		return nil, wrong
	}
	at += len(noteAbove)
	own, err := strconv.ParseUint(strings.TrimSuffix(string(text[at:]), "\n"), 16, 32)
	if err != nil || uint32(own) != Checksum(0, text[:at]) {
		return nil, wrong
	}
	sums = map[string]uint32{}
	for line := range strings.Lines(string(text)) {
		line = strings.TrimSpace(line)
		if name, _, ok := strings.Cut(line, "#"); ok {
			if sum, ok := media.ParseSheet(name); ok {
				sums[name] = sum
			}
		}
		if poster, ok := strings.CutPrefix(line, noteSums+media.PosterName+" "); ok && len(poster) >= 8 {
			sum, err := strconv.ParseUint(poster[:8], 16, 32)
			if err != nil {
				return nil, wrong
			}
			sums[media.PosterName] = uint32(sum)
		}
	}
	return sums, nil
}
