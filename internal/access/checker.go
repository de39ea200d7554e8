package access

import (
	"crypto/sha256"
	"encoding/json"
	"sync"
	"time"

	"headwater.stream/api"
)

// Remembered is how many good tokens a Checker remembers, twice at most: about 2 MB. A viewer with a token that was
// forgotten costs one more signature.
const Remembered = 8192

// Checker checks tokens against policies. Its methods may be called by any number of goroutines.
type Checker struct {
	mu       sync.Mutex
	new, old map[digest]validity // of tokens that were found good; old is dropped when new is full
}

type digest [sha256.Size]byte

// validity is when a token is good; from may be zero.
type validity struct{ from, until time.Time }

func (v validity) at(now time.Time) error {
	switch {
	case !now.Before(v.until):
		return ErrExpired
	case now.Before(v.from):
		return ErrEarly
	}
	return nil
}

// NewChecker returns a Checker that remembers nothing yet.
func NewChecker() *Checker { return &Checker{new: map[digest]validity{}} }

// Check returns nil when the token lets in, or why it does not: an error of this package.
func (c *Checker) Check(p *Policy, token string, now time.Time) error {
	if token == "" {
		return ErrMissing
	}
	d := digestOf(p, token)
	v, known := c.find(d)
	if known {
		return v.at(now)
	}
	v, err := p.verify(token, now)
	if err != nil {
		return err
	}
	c.keep(d, v)
	return nil
}

func (c *Checker) find(d digest) (validity, bool) {
	c.mu.Lock()
	defer c.mu.Unlock()
	v, ok := c.new[d]
	if !ok {
		if v, ok = c.old[d]; ok {
			c.put(d, v)
		}
	}
	return v, ok
}

func (c *Checker) keep(d digest, v validity) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.put(d, v)
}

func (c *Checker) put(d digest, v validity) {
	if len(c.new) >= Remembered {
		c.old, c.new = c.new, make(map[digest]validity, Remembered)
	}
	c.new[d] = v
}

// digestOf names a token under a policy: what is good for one locator is not for another, nor after a change of keys.
func digestOf(p *Policy, token string) digest {
	var short [1024]byte
	b := append(append(short[:0], p.id[:]...), token...)
	return sha256.Sum256(b)
}

func identify(r *api.TokenRestriction, audience string) policyID {
	b, _ := json.Marshal(struct {
		R        *api.TokenRestriction
		Audience string
	}{r, audience}) // strings always encode
	return sha256.Sum256(b)
}
