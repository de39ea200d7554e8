package storyboard

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"image"
	"io"
	"os/exec"
	"strconv"
	"strings"
	"time"
)

// Bounds of one run of ffmpeg, which reads what strangers encoded: beyond them it is killed. Single pictures of 8K take a fifth
// of the memory.
const (
	maxMemory   = 2 << 30 // bytes of address space, where the system can hold it to that
	maxCPU      = 120     // seconds, likewise
	maxTime     = 3 * time.Minute
	partingTime = 3 * time.Second // to say what went wrong
	maxComment  = 2 << 10         // bytes of what it says that are kept
)

// Decoder makes pictures of key frames with the ffmpeg at this path.
type Decoder struct{ Path string }

// pictures decodes n key frames of one initialization section and gives each picture, w×h with bars where the shape is another, in order,
// to take, which must not keep it. feed writes what ffmpeg reads.
func (d Decoder) pictures(ctx context.Context, n, w, h int, feed func(io.Writer) error, take func(i int, p *image.YCbCr) error) error {
	ctx, cancel := context.WithTimeout(ctx, maxTime)
	defer cancel()
	// A frame a second comes in. What cannot be decoded is shown as the one before, so that the rest stays where it belongs.
	filters := fmt.Sprintf("fps=1:start_time=0:eof_action=pass,tpad=stop=-1:stop_mode=clone,scale=%d:%d:force_original_aspect_ratio=decrease:out_color_matrix=bt601:out_range=full,pad=%d:%d:-1:-1,format=yuvj420p", w, h, w, h)
	cmd := exec.CommandContext(ctx, d.Path, "-nostdin", "-hide_banner", "-v", "error", "-threads", "1", "-max_alloc", strconv.Itoa(maxMemory/4),
		"-protocol_whitelist", "pipe", "-f", "mp4", "-i", "pipe:0", "-map", "0:v:0", "-filter_threads", "1", "-vf", filters, "-frames:v", strconv.Itoa(n),
		"-c:v", "rawvideo", "-threads", "1", "-f", "rawvideo", "pipe:1")
	cmd.Env = []string{} // nothing of ours concerns it
	said := &comment{}
	cmd.Stderr = said
	in, err := cmd.StdinPipe()
	if err != nil {
		return err
	}
	out, err := cmd.StdoutPipe()
	if err != nil {
		return err
	}
	confine(cmd)
	cmd.WaitDelay = time.Second
	if err := cmd.Start(); err != nil {
		return err
	}
	limit(cmd.Process.Pid)
	fed := make(chan error, 1)
	go func() { fed <- errors.Join(feed(in), in.Close()) }()
	if err = takeAll(out, n, w, h, take); err == nil {
		cancel() // it has done its work, and may want to write on
	} else {
		_ = out.Close()
		defer time.AfterFunc(partingTime, cancel).Stop()
	}
	ended := cmd.Wait()
	feeding := <-fed // after Wait, which closes the pipe
	switch {
	case err == nil:
		return nil // how it ended, and whether it read all, does not matter
	case ctx.Err() != nil && !errors.Is(ctx.Err(), context.Canceled):
		return fmt.Errorf("ffmpeg took more than %v", maxTime)
	case said.String() != "":
		return fmt.Errorf("%w: ffmpeg says: %s", err, said)
	}
	return errors.Join(err, ended, feeding)
}

// takeAll reads n pictures.
func takeAll(r io.Reader, n, w, h int, take func(i int, p *image.YCbCr) error) error {
	p := image.NewYCbCr(image.Rect(0, 0, w, h), image.YCbCrSubsampleRatio420)
	for i := range n {
		for _, plane := range [][]byte{p.Y, p.Cb, p.Cr} {
			if _, err := io.ReadFull(r, plane); err != nil {
				return fmt.Errorf("ffmpeg gave %d pictures of %d", i, n)
			}
		}
		if err := take(i, p); err != nil {
			return err
		}
	}
	return nil
}

// comment keeps the beginning of what ffmpeg says.
type comment struct{ b bytes.Buffer }

func (c *comment) Write(p []byte) (int, error) {
	c.b.Write(p[:min(len(p), maxComment-c.b.Len())])
	return len(p), nil
}

func (c *comment) String() string { return strings.ToValidUTF8(strings.TrimSpace(c.b.String()), "�") }
