package control

import (
	"encoding/base64"
	"encoding/json"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"time"

	"headwater.stream/api"
)

// pageSize is how many items a page has: one answer stays below a megabyte.
const pageSize = 500

// field is a value that lists can be filtered and ordered by: a text or an instant.
type field struct {
	text    string
	instant time.Time
	isTime  bool
}

// fields are those of one resource, by lower-case path.
type fields map[string]field

func text(s string) field         { return field{text: s} }
func instant(t time.Time) field   { return field{instant: t, isTime: true} }
func namedFields(st stamp) fields { return fields{"name": text(st.Name)} }
func (a field) compare(b field) int {
	if a.isTime {
		return a.instant.Compare(b.instant)
	}
	return strings.Compare(strings.ToLower(a.text), strings.ToLower(b.text))
}

// sortText is a text whose order is that of the field.
func (a field) sortText() string {
	if a.isTime {
		return a.instant.UTC().Format("2006-01-02T15:04:05.000000000Z")
	}
	return strings.ToLower(a.text)
}

// token is where a list goes on: after an item, not at an offset, so that inserts and deletes neither repeat nor skip an
// item (ams-wire §8). Clients see it base64-encoded.
type token struct {
	After string `json:"a"`
	Key   string `json:"k"`
	Left  *int   `json:"n,omitempty"` // of $top
}

// listRows makes a page of the rows that keep, filter and order select.
func listRows[T, V any](s *Service, t *table[T], o api.ListOptions, keep func(*row[T]) bool, of func(*row[T]) fields, wire func(*row[T]) V) (api.Page[V], error) {
	var page api.Page[V]
	// What can be asked for is what an item of the kind has; an empty one tells.
	known := of(new(row[T]))
	match, err := parseFilter(o.Filter, known)
	if err != nil {
		return page, err
	}
	order, descending, err := parseOrder(o.OrderBy, known)
	if err != nil {
		return page, err
	}
	var from *token
	if o.SkipToken != "" {
		from = new(token)
		raw, err := base64.RawURLEncoding.DecodeString(o.SkipToken)
		if err != nil || json.Unmarshal(raw, from) != nil {
			return page, bad("$skiptoken", "'$skiptoken' is not one that this server gave.")
		}
	}
	items := selectRows(s, t, keep, of, match, order)
	compare := func(a, b item[T]) int {
		c := strings.Compare(a.sort, b.sort)
		if c == 0 {
			c = strings.Compare(a.row.key, b.row.key)
		}
		if descending {
			return -c
		}
		return c
	}
	slices.SortFunc(items, compare)
	left := o.Top
	if from != nil {
		after := item[T]{from.After, &row[T]{key: from.Key}}
		start, found := slices.BinarySearchFunc(items, after, compare)
		if found {
			start++
		}
		items = items[start:]
		left = from.Left
	}
	n := min(len(items), pageSize)
	if left != nil {
		n = min(n, max(*left, 0))
	}
	page.Value = make([]V, 0, n)
	for _, i := range items[:n] {
		page.Value = append(page.Value, wire(i.row))
	}
	if n == 0 || n == len(items) || left != nil && n == *left {
		return page, nil
	}
	next := token{After: items[n-1].sort, Key: items[n-1].row.key}
	if left != nil {
		rest := *left - n
		next.Left = &rest
	}
	raw, err := json.Marshal(next)
	if err != nil {
		return page, fmt.Errorf("making a continuation token: %w", err)
	}
	page.NextLink = base64.RawURLEncoding.EncodeToString(raw)
	return page, nil
}

// item is a row with the text it is ordered by.
type item[T any] struct {
	sort string
	row  *row[T]
}

func selectRows[T any](s *Service, t *table[T], keep func(*row[T]) bool, of func(*row[T]) fields, match func(fields) bool, order string) []item[T] {
	s.mu.RLock()
	defer s.mu.RUnlock()
	var items []item[T]
	for _, r := range t.rows {
		if keep != nil && !keep(r) {
			continue
		}
		if order == "name" && match == nil {
			items = append(items, item[T]{r.key, r}) // the common case needs no fields
			continue
		}
		f := of(r)
		if match == nil || match(f) {
			items = append(items, item[T]{f[order].sortText(), r})
		}
	}
	return items
}

func parseOrder(expr string, known fields) (name string, descending bool, err error) {
	words := strings.Fields(expr)
	if len(words) == 0 {
		return "name", false, nil
	}
	name = strings.ToLower(words[0])
	_, ok := known[name]
	if !ok || len(words) > 2 {
		return "", false, bad("$orderby", "'$orderby' takes one property, and then asc or desc; %.80q is not supported.", expr)
	}
	if len(words) == 2 {
		direction, err := oneOf("$orderby", words[1], "asc", "desc")
		if err != nil {
			return "", false, err
		}
		descending = direction == "desc"
	}
	return name, descending, nil
}

// parseFilter reads the OData subset of ams-wire §8: comparisons of a property with a value, joined by and.
func parseFilter(expr string, known fields) (func(fields) bool, error) {
	words, err := tokenize(expr)
	if err != nil || len(words) == 0 {
		return nil, err
	}
	unsupported := bad("$filter", "The filter %.120q is not supported: write comparisons like name eq 'x' or properties/created ge 2026-01-02T03:04:05Z, joined by and.", expr)
	var tests []func(fields) bool
	for {
		if len(words) < 3 {
			return nil, unsupported
		}
		name := strings.ToLower(words[0])
		kind, ok := known[name]
		if !ok {
			return nil, bad("$filter", "The property %.80q cannot be filtered by.", words[0])
		}
		value, err := literal(words[2], kind.isTime)
		if err != nil {
			return nil, err
		}
		holds, ok := map[string]func(int) bool{
			"eq": func(c int) bool { return c == 0 }, "ne": func(c int) bool { return c != 0 }, "gt": func(c int) bool { return c > 0 },
			"ge": func(c int) bool { return c >= 0 }, "lt": func(c int) bool { return c < 0 }, "le": func(c int) bool { return c <= 0 },
		}[strings.ToLower(words[1])]
		if !ok {
			return nil, unsupported
		}
		tests = append(tests, func(f fields) bool { return holds(f[name].compare(value)) })
		if words = words[3:]; len(words) == 0 {
			break
		}
		if !strings.EqualFold(words[0], "and") {
			return nil, unsupported
		}
		words = words[1:]
	}
	return func(f fields) bool {
		for _, holds := range tests {
			if !holds(f) {
				return false
			}
		}
		return true
	}, nil
}

// literal reads a value; strings are quoted, GUIDs and dates are not, though some callers quote them too.
func literal(word string, isTime bool) (field, error) {
	value := word
	if strings.HasPrefix(word, "'") {
		value = strings.ReplaceAll(word[1:len(word)-1], "''", "'")
	} else if strings.ContainsAny(word, "()") {
		return field{}, bad("$filter", "Functions and parentheses are not supported in '$filter'.")
	}
	if !isTime {
		return text(value), nil
	}
	t, err := api.ParseTime(value)
	if err != nil {
		return field{}, bad("$filter", "'$filter': %v.", err)
	}
	return instant(t.Time), nil
}

// tokenize splits at spaces outside quotes; a doubled quote inside quotes is one.
func tokenize(expr string) ([]string, error) {
	var words []string
	for rest := strings.TrimSpace(expr); rest != ""; rest = strings.TrimLeft(rest, " \t") {
		if rest[0] != '\'' {
			end := strings.IndexAny(rest, " \t'")
			if end < 0 {
				end = len(rest)
			}
			words, rest = append(words, rest[:end]), rest[end:]
			continue
		}
		end := 1
		for end < len(rest) && (rest[end] != '\'' || end+1 < len(rest) && rest[end+1] == '\'') {
			if rest[end] == '\'' {
				end++
			}
			end++
		}
		if end >= len(rest) {
			return nil, bad("$filter", "A quote is not closed in '$filter', at %s.", strconv.Quote(rest[:min(20, len(rest))]))
		}
		words, rest = append(words, rest[:end+1]), rest[end+1:]
	}
	return words, nil
}
