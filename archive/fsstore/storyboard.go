package fsstore

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"strings"

	"headwater.stream/archive"
	"headwater.stream/internal/media"
)

// PutStoryboard puts the files of a storyboard into the directory called name, which must exist.
func (s *Store) PutStoryboard(name string, b *archive.Storyboard) error {
	if !nameRule.MatchString(name) {
		return fmt.Errorf("fsstore: %q: %w", name, ErrName)
	}
	root, err := s.root.OpenRoot(name)
	if err != nil {
		return s.fault(err)
	}
	defer root.Close()
	for _, f := range b.Files() {
		if err := putBytes(root, f.Name, f.Body); err != nil {
			_ = root.Remove(f.Name + tempSuffix) // on a disk that takes nothing it may stay
			return s.fault(err)
		}
	}
	return nil
}

// Picture returns a file of the storyboard in the directory called name; media.ErrNotFound when there is none, or when it is
// not what was written.
func (s *Store) Picture(name, file string) ([]byte, error) {
	if !nameRule.MatchString(name) || !media.IsPicture(file) {
		return nil, media.ErrNotFound
	}
	root, err := s.root.OpenRoot(name)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, media.ErrNotFound
	}
	if err != nil {
		return nil, s.fault(err)
	}
	defer root.Close()
	all, err := readStoryboard(root)
	if err != nil {
		return nil, err
	}
	if file == media.StoryboardName {
		return all.text, nil
	}
	sum, ok := all.sums[file]
	if !ok {
		return nil, media.ErrNotFound
	}
	body, err := root.ReadFile(file)
	switch {
	case errors.Is(err, fs.ErrNotExist):
		return nil, media.ErrNotFound
	case err != nil:
		return nil, s.fault(err)
	case archive.Checksum(0, body) != sum:
		return nil, fmt.Errorf("%w: %s is damaged", media.ErrNotFound, file)
	}
	return body, nil
}

// storyboardText is the text of a storyboard and what it names.
type storyboardText struct {
	text []byte
	sums map[string]uint32
}

// readStoryboard reads the text of a directory's storyboard; media.ErrNotFound when there is none that is whole.
func readStoryboard(root *os.Root) (storyboardText, error) {
	text, err := root.ReadFile(media.StoryboardName)
	if errors.Is(err, fs.ErrNotExist) {
		return storyboardText{}, media.ErrNotFound
	}
	if err != nil {
		return storyboardText{}, fmt.Errorf("fsstore: %w", err)
	}
	sums, err := archive.ParseStoryboard(text)
	if err != nil {
		return storyboardText{}, fmt.Errorf("%w: %w", media.ErrNotFound, err)
	}
	return storyboardText{text, sums}, nil
}

// pictures returns the names of all pictures in a directory: also of such as a making that was interrupted has left, which the
// next one writes again.
func pictures(root *os.Root) (names []string, err error) {
	entries, err := fs.ReadDir(root.FS(), ".")
	for _, e := range entries {
		if media.IsPicture(strings.TrimSuffix(e.Name(), tempSuffix)) {
			names = append(names, e.Name())
		}
	}
	return names, err
}

// checkStoryboard verifies the pictures of a recording and returns the names of its files. A storyboard that is not whole is
// moved out of the way: another is made of the recording when somebody asks.
func (c *checker) checkStoryboard() (known []string, err error) {
	if known, err = pictures(c.root); err != nil {
		return nil, err
	}
	s, err := readStoryboard(c.root)
	switch {
	case errors.Is(err, archive.ErrDamaged):
		c.found(Finding{File: media.StoryboardName, Problem: "is damaged", Repair: "move the storyboard to " + setAside}, func() error { return c.moveAside(media.StoryboardName) })
		return known, nil
	case errors.Is(err, media.ErrNotFound):
		return known, nil
	case err != nil:
		return nil, err
	}
	whole := true
	for name, sum := range s.sums {
		body, err := c.root.ReadFile(name)
		if err != nil && !errors.Is(err, fs.ErrNotExist) {
			return nil, err
		}
		if err == nil && archive.Checksum(0, body) == sum {
			continue
		}
		whole = false
		c.found(Finding{File: name, Problem: "is missing or damaged", Repair: "move the storyboard to " + setAside}, func() error {
			return nil // below
		})
	}
	if !whole {
		c.fixes = append(c.fixes, fix{len(c.report.Findings) - 1, func() (err error) {
			for _, name := range known {
				err = errors.Join(err, c.moveAside(name))
			}
			return err
		}})
	}
	return known, nil
}

// storyboard copies the pictures of a recording that is copied whole.
func (c *copier) storyboard() error {
	if c.opt.From.Set || c.opt.To.Set || !c.src.info.Ended {
		return nil
	}
	s, err := readStoryboard(c.src.root)
	if errors.Is(err, media.ErrNotFound) {
		return nil // another is made when somebody asks
	}
	if err != nil {
		return err
	}
	bodies := map[string][]byte{}
	for name, sum := range s.sums {
		body, err := c.src.root.ReadFile(name)
		if errors.Is(err, fs.ErrNotExist) || err == nil && archive.Checksum(0, body) != sum {
			return nil
		}
		if err != nil {
			return err
		}
		bodies[name] = body
	}
	for name, body := range bodies {
		if err := putBytes(c.root, name, body); err != nil {
			return err
		}
	}
	return putBytes(c.root, media.StoryboardName, s.text)
}
