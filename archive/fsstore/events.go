package fsstore

import (
	"errors"
	"fmt"
	"io/fs"
	"os"

	"headwater.stream/archive"
	"headwater.stream/internal/media"
	"headwater.stream/internal/timeline"
)

// events is the writer's side of the events file.
type events struct {
	file  *os.File // nil until something is appended
	size  int64    // of what is whole
	torn  int64    // bytes behind that when it was read
	lines int
	last  string // ID of the event stored last
}

// deadEvents is how many lines about events that are gone make the file worth writing again.
const deadEvents = 1024

// readEvents reads the events file; one that does not exist is empty.
func readEvents(root *os.Root) (list []media.Event, x events, damaged int, err error) {
	body, err := root.ReadFile(archive.EventsName)
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return nil, x, 0, err
	}
	list, x.size, damaged = archive.ParseEvents(body)
	if x.lines = len(list); x.lines > 0 {
		x.last = list[x.lines-1].ID
	}
	x.torn = int64(len(body)) - x.size
	return list, x, damaged, nil
}

// SaveEvents implements timeline.Spool.
func (d *Dir) SaveEvents(list []media.Event) error {
	x := &d.events
	from, known := 0, x.lines == 0
	for i := len(list) - 1; i >= 0 && from == 0; i-- {
		if list[i].ID == x.last {
			from, known = i+1, true
		}
	}
	if from == len(list) {
		return nil
	}
	if !known || x.size == 0 || x.lines > 2*len(list)+deadEvents {
		return d.rewriteEvents(list)
	}
	var body []byte
	for _, e := range list[from:] {
		var err error
		if body, err = archive.AppendEvent(body, e); err != nil {
			return fmt.Errorf("fsstore: %w", err)
		}
	}
	if x.file == nil {
		f, err := d.root.OpenFile(archive.EventsName, os.O_WRONLY|os.O_APPEND, 0o644)
		if err != nil {
			return fmt.Errorf("fsstore: %w", err)
		}
		if err := f.Truncate(x.size); err != nil { // what a crash left half written
			return errors.Join(fmt.Errorf("fsstore: %w", err), f.Close())
		}
		x.file = f
	}
	if _, err := x.file.Write(body); err != nil {
		return errors.Join(fmt.Errorf("fsstore: %w", err), x.file.Truncate(x.size))
	}
	x.size, x.lines, x.last = x.size+int64(len(body)), x.lines+len(list)-from, list[len(list)-1].ID
	return d.sync.file(x.file, ".")
}

// rewriteEvents makes the file hold list and nothing else.
func (d *Dir) rewriteEvents(list []media.Event) error {
	body, err := encodeEvents(list)
	if err != nil {
		return err
	}
	d.closeEvents()
	if err := d.writeFile(archive.EventsName, body); err != nil {
		return err
	}
	d.events = events{size: int64(len(body)), lines: len(list), last: list[len(list)-1].ID}
	return nil
}

// encodeEvents makes the whole file.
func encodeEvents(list []media.Event) ([]byte, error) {
	body := []byte(archive.EventsHeader)
	for _, e := range list {
		var err error
		if body, err = archive.AppendEvent(body, e); err != nil {
			return nil, fmt.Errorf("fsstore: %w", err)
		}
	}
	return body, nil
}

// events gives a copy the events of its time.
func (c *copier) events(h *timeline.Header, st *timeline.State) error {
	r := &h.Renditions[0]
	segs := st.Segments[r.Name]
	from, to := media.Duration(segs[0].Start, r.Timescale), media.Duration(segs[len(segs)-1].End(), r.Timescale)
	ends := media.EventEnds(c.src.events)
	for i, e := range c.src.events {
		if ends[i] >= from && (e.Start < to || c.opt.Tail) {
			st.Events = append(st.Events, e)
		}
	}
	if len(st.Events) == 0 {
		return nil
	}
	body, err := encodeEvents(st.Events)
	if err != nil {
		return err
	}
	return putBytes(c.root, archive.EventsName, body)
}

// checkEvents looks at the events file.
func (c *checker) checkEvents() error {
	list, x, damaged, err := readEvents(c.root)
	if err != nil {
		return err
	}
	problem, repair := "", "write it again without them"
	switch {
	case damaged > 0:
		problem = fmt.Sprintf("%d damaged lines", damaged)
	case x.torn > 0 && c.info.Ended:
		problem, repair = fmt.Sprintf("%d bytes behind the last whole line", x.torn), "cut them off"
	default:
		return nil
	}
	c.found(Finding{File: archive.EventsName, Problem: problem, Repair: repair}, func() error {
		body, err := encodeEvents(list)
		if err != nil {
			return err
		}
		return putBytes(c.root, archive.EventsName, body)
	})
	return nil
}

func (d *Dir) closeEvents() {
	if d.events.file != nil {
		d.sync.done(d.events.file)
		d.events.file = nil
	}
}
