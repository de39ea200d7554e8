package journal

import (
	"bufio"
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"slices"
	"strconv"
	"strings"
	"sync"
)

// format is the version of the files (docs/format/journal.md).
const format = 1

// suffix ends the names of files; before it is the position of the event before the first, in hexadecimal.
const suffix = ".jsonl"

// maxLine bounds what is read as one event.
const maxLine = 1 << 20

// header is the first line of a file.
type header struct {
	Format int `json:"format"`
}

// files are the events on disk: append-only files of one line each, the oldest of which go.
type files struct {
	o    Options
	root *os.Root

	mu     sync.Mutex // of starts; not held across I/O
	starts []Position // of the files, oldest first

	// The rest belongs to the writer.
	file    *os.File // open for appending; nil: the next write opens it
	size    int64
	last    Position
	dirty   bool
	damaged bool // the open file may end in half a line
}

func fileName(after Position) string { return fmt.Sprintf("%0*x%s", idDigits, uint64(after), suffix) }

// openFiles lists what there is and returns the position of the newest event.
func openFiles(dir string, o Options) (*files, Position, error) {
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return nil, 0, fmt.Errorf("event log: %w", err)
	}
	root, err := os.OpenRoot(dir)
	if err != nil {
		return nil, 0, fmt.Errorf("event log: %w", err)
	}
	f := &files{o: o, root: root}
	entries, err := fs.ReadDir(root.FS(), ".")
	if err != nil {
		return nil, 0, errors.Join(fmt.Errorf("event log: %w", err), root.Close())
	}
	for _, e := range entries {
		digits, ours := strings.CutSuffix(e.Name(), suffix)
		if p, err := strconv.ParseUint(digits, 16, 64); ours && err == nil && len(digits) == idDigits {
			f.starts = append(f.starts, Position(p))
		}
	}
	slices.Sort(f.starts)
	if n := len(f.starts); n > 0 {
		f.last = f.starts[n-1]
		err = f.scan(f.starts[n-1], func(e *Event) bool { f.last = max(f.last, e.Position()); return true })
	}
	if err != nil {
		return nil, 0, errors.Join(err, root.Close())
	}
	return f, f.last, nil
}

// scan reads the events of a file until each says no. What cannot be read as an event is passed over.
func (f *files) scan(start Position, each func(*Event) bool) error {
	file, err := f.root.Open(fileName(start))
	if errors.Is(err, fs.ErrNotExist) {
		return nil // the oldest has gone meanwhile
	}
	if err != nil {
		return fmt.Errorf("reading the event log: %w", err)
	}
	defer file.Close()
	first := true
	lines := bufio.NewScanner(file)
	lines.Buffer(make([]byte, 0, 64<<10), maxLine)
	for lines.Scan() {
		if h := (header{}); first && json.Unmarshal(lines.Bytes(), &h) == nil && h.Format > format {
			return fmt.Errorf("the event log %s has format %d and this version reads %d: use the version that wrote it", file.Name(), h.Format, format)
		}
		first = false
		e := &Event{}
		if json.Unmarshal(lines.Bytes(), e) != nil || e.Position() == 0 {
			continue
		}
		if !each(e) {
			return nil
		}
	}
	if err := lines.Err(); err != nil && !errors.Is(err, bufio.ErrTooLong) {
		return fmt.Errorf("reading the event log: %w", err)
	}
	return nil
}

// list returns the starts of the files, oldest first.
func (f *files) list() []Position {
	f.mu.Lock()
	defer f.mu.Unlock()
	return slices.Clone(f.starts)
}

// read returns a batch of events after p up to end, and whether some before them are gone.
func (f *files) read(p, end Position) (list []Event, lost bool, err error) {
	starts := f.list()
	from := 0 // the last file that begins at p or before
	for i, s := range starts {
		if s <= p {
			from = i
		}
	}
	lost = len(starts) > 0 && p != 0 && p < starts[0]
	for _, s := range starts[from:] {
		err := f.scan(s, func(e *Event) bool {
			q := e.Position()
			if p < q && q <= end {
				list = append(list, *e)
			}
			return len(list) < batchSize && q < end
		})
		if err != nil || len(list) > 0 {
			return list, lost, err
		}
	}
	return list, lost, nil
}

// tail returns the position before the last n events up to p, or before all.
func (f *files) tail(p Position, n int) (Position, error) {
	starts := f.list()
	for i := len(starts) - 1; i >= 0; i-- {
		var all []Position
		err := f.scan(starts[i], func(e *Event) bool {
			if q := e.Position(); q <= p {
				all = append(all, q)
			}
			return true
		})
		if err != nil {
			return 0, err
		}
		if n < len(all) {
			return all[len(all)-n-1], nil
		}
		if n -= len(all); n == 0 {
			return starts[i], nil
		}
	}
	return 0, nil
}

// write appends events.
func (f *files) write(list []Event) error {
	if f.damaged || f.file != nil && f.size >= f.o.FileSize {
		if err := f.end(); err != nil {
			return err
		}
	}
	if f.file == nil {
		if err := f.begin(); err != nil {
			return err
		}
	}
	var b bytes.Buffer
	for _, e := range list {
		line, err := json.Marshal(e)
		if err != nil {
			return fmt.Errorf("writing the event log: %w", err)
		}
		b.Write(append(line, '\n'))
	}
	n, err := f.file.Write(b.Bytes())
	f.size += int64(n)
	f.dirty = true
	if err != nil {
		f.damaged = true
		return fmt.Errorf("writing the event log: %w", err)
	}
	f.last = list[len(list)-1].Position()
	return nil
}

// begin opens the newest file, or begins one when that is full, and removes the oldest.
func (f *files) begin() error {
	start := f.last
	if all := f.list(); len(all) > 0 {
		newest := all[len(all)-1]
		if st, err := f.root.Stat(fileName(newest)); err == nil && st.Size() < f.o.FileSize {
			start = newest
		}
	}
	file, err := f.root.OpenFile(fileName(start), os.O_WRONLY|os.O_CREATE|os.O_APPEND, 0o600)
	if err != nil {
		return fmt.Errorf("beginning a file of the event log: %w", err)
	}
	if f.size, err = file.Seek(0, io.SeekEnd); err == nil {
		line := "\n" // what is there may end in half a line
		if f.size == 0 {
			line = fmt.Sprintf("{\"format\":%d}\n", format)
		}
		_, err = file.WriteString(line)
	}
	if err != nil {
		return errors.Join(fmt.Errorf("beginning a file of the event log: %w", err), file.Close())
	}
	f.file, f.damaged = file, false
	f.mu.Lock()
	if n := len(f.starts); n == 0 || f.starts[n-1] != start {
		f.starts = append(f.starts, start)
	}
	var old []Position
	if n := len(f.starts) - f.o.Files; n > 0 {
		old, f.starts = f.starts[:n:n], f.starts[n:]
	}
	f.mu.Unlock()
	for _, p := range old {
		_ = f.root.Remove(fileName(p)) // one that stays is found at the next start
	}
	return nil
}

// sync forces to disk what was written.
func (f *files) sync() error {
	if !f.dirty || f.file == nil {
		return nil
	}
	f.dirty = false
	if err := f.file.Sync(); err != nil {
		return fmt.Errorf("syncing the event log: %w", err)
	}
	return nil
}

func (f *files) close() error { return errors.Join(f.end(), f.root.Close()) }

// end closes the open file.
func (f *files) end() error {
	if f.file == nil {
		return nil
	}
	err := f.file.Close()
	f.file = nil
	if err != nil {
		return fmt.Errorf("closing a file of the event log: %w", err)
	}
	return nil
}
