package cmaf

import "headwater.stream/internal/media"

// held is a sample that waits; its bytes are in the queue's buffer.
type held struct {
	dts    int64
	offset int32
	dur    uint32
	sync   bool
	at, n  int
}

// queue holds samples in order, their bytes in one reused buffer.
type queue struct {
	list []held
	buf  []byte
	head int
}

func (q *queue) push(s media.Sample, sync bool) {
	if q.head >= compactAt {
		q.keep(q.list[q.head:])
	}
	q.list = append(q.list, held{dts: s.DTS, offset: s.Offset, dur: s.Duration, sync: sync, at: len(q.buf), n: len(s.Data)})
	q.buf = append(q.buf, s.Data...)
}

func (q *queue) front() *held {
	if q.head == len(q.list) {
		return nil
	}
	return &q.list[q.head]
}

func (q *queue) bytes(h *held) []byte { return q.buf[h.at : h.at+h.n] }

func (q *queue) pop() {
	if q.head++; q.head == len(q.list) {
		q.reset()
	}
}

// shed drops the oldest half, so that a full queue is not moved for each sample.
func (q *queue) shed() {
	q.keep(q.list[q.head+(q.len()+1)/2:])
}

// compactAt is how many samples may have been taken before their room is used again.
const compactAt = 256

// keep makes keep, the end of q.list, all there is.
func (q *queue) keep(keep []held) {
	var n queue
	for i := range keep {
		n.list = append(n.list, held{dts: keep[i].dts, offset: keep[i].offset, dur: keep[i].dur, sync: keep[i].sync, at: len(n.buf), n: keep[i].n})
		n.buf = append(n.buf, q.bytes(&keep[i])...)
	}
	*q = n
}

func (q *queue) reset() { q.list, q.buf, q.head = q.list[:0], q.buf[:0], 0 }

func (q *queue) len() int { return len(q.list) - q.head }

// size returns the bytes the queue holds on to.
func (q *queue) size() int { return len(q.buf) }

// span returns the time from the first to the last sample that waits.
func (q *queue) span() int64 {
	if q.head == len(q.list) {
		return 0
	}
	return q.list[len(q.list)-1].dts - q.list[q.head].dts
}

// replay calls f with each sample in order.
func (q *queue) replay(f func(media.Sample) error) error {
	for ; q.head < len(q.list); q.head++ {
		h := &q.list[q.head]
		if err := f(media.Sample{DTS: h.dts, Offset: h.offset, Duration: h.dur, Sync: h.sync, Data: q.bytes(h)}); err != nil {
			return err
		}
	}
	return nil
}
