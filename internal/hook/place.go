package hook

import (
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"slices"

	"headwater.stream/internal/journal"
)

// place is how far a hook is: the file <ID>.json (docs/format/journal.md).
type place struct {
	Format    int                `json:"format"`
	Done      journal.Position   `json:"done"`            // everything up to here is delivered, or need not be
	Ahead     []journal.Position `json:"ahead,omitempty"` // delivered too
	Validated bool               `json:"validated,omitempty"`
}

const placeFormat = 1

// loadPlace reads a place; found is false when there is none, and when it cannot be read: then the hook gets all again.
func loadPlace(root *os.Root, id string) (p place, found bool, err error) {
	b, err := root.ReadFile(id + ".json")
	if errors.Is(err, fs.ErrNotExist) {
		return place{Format: placeFormat}, false, nil
	}
	if err == nil {
		err = json.Unmarshal(b, &p)
	}
	if err == nil && p.Format != placeFormat {
		err = fmt.Errorf("format %d", p.Format)
	}
	if err != nil {
		return place{Format: placeFormat}, false, fmt.Errorf("reading the place of a webhook: %w", err)
	}
	return p, true, nil
}

// store writes the place so that a process that is killed finds the one or the other. A power loss may find an older one:
// then events come again.
func (p *place) store(root *os.Root, id string) error {
	slices.Sort(p.Ahead)
	b, err := json.Marshal(p)
	if err == nil {
		err = root.WriteFile(id+".tmp", b, 0o600)
	}
	if err == nil {
		err = root.Rename(id+".tmp", id+".json")
	}
	if err != nil {
		return fmt.Errorf("writing the place of a webhook: %w", err)
	}
	return nil
}
