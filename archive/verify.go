package archive

import (
	"errors"
	"fmt"
	"io"
	"sync"

	"headwater.stream/internal/media"
)

// verdict says whether a segment's file is what was recorded: it is looked at when it is asked for the first time.
type verdict uint8

const (
	sound verdict = iota + 1
	broken
)

// verifier holds the files of segments to their checksums, each once while the recording is open.
type verifier struct {
	damaged func(error)

	mu      sync.Mutex // held for microseconds
	rends   map[string]*verified
	looking map[media.Ref]chan struct{} // at whose files somebody looks now; closed when that is done
}

// verified is what is known of a rendition's segments, which have consecutive numbers.
type verified struct {
	first    uint64
	sums     []uint32 // 0: not known
	verdicts []verdict
}

func newVerifier() *verifier {
	return &verifier{damaged: func(error) {}, rends: map[string]*verified{}, looking: map[media.Ref]chan struct{}{}}
}

// know takes over the checksums of segments that begin with number first.
func (v *verifier) know(rendition string, first uint64, sums []uint32, segments int) {
	v.mu.Lock()
	defer v.mu.Unlock()
	v.rends[rendition] = &verified{first: first, sums: sums[:min(len(sums), segments):min(len(sums), segments)], verdicts: make([]verdict, segments)}
}

// add adds the checksum of a segment that was sealed; it follows the one before.
func (v *verifier) add(rendition string, number uint64, sum uint32) {
	v.mu.Lock()
	defer v.mu.Unlock()
	r := v.rends[rendition]
	if r == nil || number != r.first+uint64(len(r.verdicts)) {
		r = &verified{first: number}
		v.rends[rendition] = r
	}
	r.sums, r.verdicts = append(r.sums, sum), append(r.verdicts, 0)
}

// drop forgets what is below a number.
func (v *verifier) drop(rendition string, below uint64) {
	v.mu.Lock()
	defer v.mu.Unlock()
	if r := v.rends[rendition]; r != nil && below > r.first {
		n := int(min(below-r.first, uint64(len(r.verdicts))))
		r.first, r.sums, r.verdicts = r.first+uint64(n), r.sums[min(n, len(r.sums)):], r.verdicts[n:]
	}
}

// set notes a verdict; 0: it is to be looked at again.
func (v *verifier) set(rendition string, number uint64, is verdict) {
	v.mu.Lock()
	defer v.mu.Unlock()
	if r := v.rends[rendition]; r != nil && number >= r.first && number-r.first < uint64(len(r.verdicts)) {
		r.verdicts[number-r.first] = is
	}
}

// verdict returns what is known of a segment, 0 when nothing is, and its checksum, 0 when it is not known.
func (v *verifier) verdict(ref media.Ref) (is verdict, sum uint32) {
	v.mu.Lock()
	defer v.mu.Unlock()
	r := v.rends[ref.Rendition]
	if r == nil || ref.Number < r.first || ref.Number-r.first >= uint64(len(r.verdicts)) {
		return 0, 0
	}
	i := ref.Number - r.first
	if i < uint64(len(r.sums)) {
		sum = r.sums[i]
	}
	return r.verdicts[i], sum
}

// begin says whether the caller is to look at a segment, and is to call done; otherwise wait is closed when another has.
func (v *verifier) begin(ref media.Ref) (wait chan struct{}, mine bool) {
	v.mu.Lock()
	defer v.mu.Unlock()
	if wait := v.looking[ref]; wait != nil {
		return wait, false
	}
	wait = make(chan struct{})
	v.looking[ref] = wait
	return wait, true
}

func (v *verifier) done(ref media.Ref, wait chan struct{}) {
	v.mu.Lock()
	defer v.mu.Unlock()
	delete(v.looking, ref)
	close(wait)
}

// verify holds a segment to its checksum. One whose file is not what was recorded does not exist.
func (v *verifier) verify(ref media.Ref, o media.Object) error {
	is, _ := v.verdict(ref)
	if is == 0 {
		wait, mine := v.begin(ref)
		if mine {
			err := v.look(ref, o)
			v.done(ref, wait)
			if err != nil {
				return fmt.Errorf("archive: reading %s: %w", ref.Name(), err)
			}
		} else { // a crowd asks for it: one reads it
			<-wait
		}
		is, _ = v.verdict(ref)
	}
	if is == broken {
		return fmt.Errorf("%w: %s is damaged", media.ErrNotFound, ref.Name())
	}
	return nil
}

// look reads a segment.
func (v *verifier) look(ref media.Ref, o media.Object) error {
	_, sum := v.verdict(ref)
	problem, err := differs(o, sum)
	if err != nil {
		return err
	}
	is := sound
	if problem != "" {
		is = broken
		v.damaged(fmt.Errorf("%w: %s: %s", ErrDamaged, ref.Name(), problem))
	}
	v.set(ref.Rendition, ref.Number, is)
	return nil
}

// verified returns an object whose file, if it has one, is what was recorded.
func (v *verifier) verified(ref media.Ref, o media.Object, err error) (media.Object, error) {
	if err != nil || o.File == nil {
		return o, err
	}
	if err := v.verify(ref, o); err != nil {
		return media.Object{}, errors.Join(err, o.Close())
	}
	return o, nil
}

// differs says what is wrong with the file of an object that should have that checksum; sum 0: none is known.
func differs(o media.Object, sum uint32) (problem string, err error) {
	size, err := o.File.Seek(0, io.SeekEnd)
	if err != nil {
		return "", err
	}
	if size < o.Offset+o.Size {
		return fmt.Sprintf("its file has %d bytes of %d", size-o.Offset, o.Size), nil
	}
	if _, err := o.File.Seek(o.Offset, io.SeekStart); err != nil || sum == 0 {
		return "", err
	}
	got, err := ChecksumOf(io.LimitReader(o.File, o.Size))
	if err != nil {
		return "", err
	}
	if got != sum {
		return fmt.Sprintf("its checksum is %08x, not %08x", got, sum), nil
	}
	_, err = o.File.Seek(o.Offset, io.SeekStart)
	return "", err
}
