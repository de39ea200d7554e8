package node

import (
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

// ExportMP4 makes an MP4 file of a recording, or of a part of it. What an interrupted export has left in name.part is gone
// on with.
func ExportMP4(ctx context.Context, dir, name string, o AssetExport) (err error) {
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
	out, err := os.OpenFile(name+partSuffix, os.O_CREATE|os.O_RDWR, 0o644)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, out.Close()) }()
	at, err := resumeAt(ctx, f, a, out)
	if err != nil {
		return err
	}
	err = f.Copy(ctx, &exportWriter{out, at, f.Size(), o.Progress}, a, at, f.Size()-at)
	if errors.Is(err, media.ErrNotFound) {
		return fmt.Errorf("the recording is damaged: let 'headwater asset check --repair' make a gap of it, then export again: %w", err)
	}
	if err != nil {
		return fmt.Errorf("writing %s: %w", name, err)
	}
	if err := out.Sync(); err != nil {
		return err
	}
	return os.Rename(name+partSuffix, name)
}

// resumeAt returns how much of a file is there. The head names the size and time of every sample: a file with the same one is
// of the same recording.
func resumeAt(ctx context.Context, f *progressive.File, a *archive.Asset, out *os.File) (int64, error) {
	st, err := out.Stat()
	if err != nil {
		return 0, err
	}
	if st.Size() >= f.HeadSize() && st.Size() <= f.Size() {
		var want bytes.Buffer
		if err := f.Copy(ctx, &want, a, 0, f.HeadSize()); err != nil {
			return 0, err
		}
		is := make([]byte, f.HeadSize())
		if _, err := io.ReadFull(out, is); err != nil {
			return 0, err
		}
		if bytes.Equal(is, want.Bytes()) {
			return out.Seek(0, io.SeekEnd)
		}
	}
	if err := out.Truncate(0); err != nil {
		return 0, err
	}
	return out.Seek(0, io.SeekStart)
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
