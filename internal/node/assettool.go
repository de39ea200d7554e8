package node

import (
	"bufio"
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"os"

	"headwater.stream/archive"
	"headwater.stream/archive/fsstore"
	"headwater.stream/internal/media"
	"headwater.stream/packager/progressive"
)

// AssetCheck says how CheckAsset works.
type AssetCheck struct {
	Repair, Force bool
	Progress      func(done, total int64) // bytes; nil: nobody wants to know
}

// CheckAsset verifies an asset directory, and repairs it if it is to. It needs no running node.
func CheckAsset(ctx context.Context, dir string, o AssetCheck) (*fsstore.Report, error) {
	return fsstore.Check(ctx, dir, fsstore.CheckOptions{Repair: o.Repair, Force: o.Force, Progress: o.Progress, Manifests: manifests})
}

// AssetExport says what of a recording is taken away.
type AssetExport struct {
	From, To fsstore.Point
	Progress func(done, total int64) // bytes; nil: nobody wants to know
}

// ExportStatic makes directory to a copy of a recording, or of a part of it, that plays from any web server.
func ExportStatic(ctx context.Context, dir, to string, o AssetExport) error {
	_, err := fsstore.Copy(ctx, dir, to, fsstore.CopyOptions{From: o.From, To: o.To, Copy: true, Manifests: manifests, Progress: o.Progress})
	return err
}

// partSuffix is that of a file that is not whole yet.
const partSuffix = ".part"

// ExportMP4 makes an MP4 file of a recording, or of a part of it. What an interrupted export has left in name.part is held to what
// it should be, and gone on with.
func ExportMP4(ctx context.Context, dir, name string, o AssetExport) error {
	return exportOf(ctx, dir, o, func(f *progressive.File, a *archive.Asset) (err error) {
		out, err := os.OpenFile(name+partSuffix, os.O_CREATE|os.O_RDWR, 0o644)
		if err != nil {
			return err
		}
		defer func() { err = errors.Join(err, out.Close()) }()
		w := &exportWriter{w: out, total: f.Size(), progress: o.Progress}
		if err := w.resume(ctx, f, a, out); err != nil {
			return err
		}
		if err := f.Copy(ctx, w, a, w.done, f.Size()-w.done); err != nil {
			return fmt.Errorf("writing %s: %w", name+partSuffix, err)
		}
		if err := out.Sync(); err != nil {
			return err
		}
		return os.Rename(name+partSuffix, name)
	})
}

// WriteMP4 is ExportMP4 to what cannot be gone on with.
func WriteMP4(ctx context.Context, dir string, to io.Writer, o AssetExport) error {
	return exportOf(ctx, dir, o, func(f *progressive.File, a *archive.Asset) error {
		return f.Copy(ctx, &exportWriter{w: to, total: f.Size(), progress: o.Progress}, a, 0, f.Size())
	})
}

// exportOf lays out the file of a recording and lets write write it.
func exportOf(ctx context.Context, dir string, o AssetExport, write func(*progressive.File, *archive.Asset) error) error {
	r, err := fsstore.Read(dir)
	if err != nil {
		return err
	}
	a, err := r.Asset(o.From, o.To)
	if err != nil {
		return errors.Join(err, r.Close())
	}
	defer a.Close()
	f, err := progressive.New(ctx, a.View(), a, nil)
	if err != nil {
		return err
	}
	err = write(f, a)
	if errors.Is(err, media.ErrNotFound) {
		return fmt.Errorf("the recording is damaged: let 'headwater asset check --repair' make a gap of it, then export again: %w", err)
	}
	return err
}

// exportWriter counts what is written.
type exportWriter struct {
	w        io.Writer
	done     int64
	total    int64
	progress func(done, total int64)
}

func (e *exportWriter) Write(b []byte) (int, error) {
	n, err := e.w.Write(b)
	e.done += int64(n)
	if e.progress != nil {
		e.progress(e.done, e.total)
	}
	return n, err
}

// errDiffers ends the look at what an interrupted export has left.
var errDiffers = errors.New("not the same")

// resume goes to where out is no more the beginning of the file: an export that lost its power may have left anything.
func (e *exportWriter) resume(ctx context.Context, f *progressive.File, a *archive.Asset, out *os.File) error {
	st, err := out.Stat()
	if err != nil {
		return err
	}
	is := &exportWriter{w: comparer{bufio.NewReaderSize(out, 1<<20)}, total: e.total, progress: e.progress}
	if err := f.Copy(ctx, is, a, 0, min(st.Size(), f.Size())); err != nil && !errors.Is(err, errDiffers) {
		return err
	}
	if e.done, err = out.Seek(is.done, io.SeekStart); err != nil {
		return err
	}
	return out.Truncate(e.done)
}

// comparer takes what r gives too.
type comparer struct{ r io.Reader }

func (c comparer) Write(b []byte) (int, error) {
	is := make([]byte, len(b))
	if _, err := io.ReadFull(c.r, is); err != nil {
		return 0, err
	}
	if !bytes.Equal(is, b) {
		return 0, errDiffers
	}
	return len(b), nil
}
