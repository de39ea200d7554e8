package ingest

import (
	"encoding/binary"
	"errors"
	"math"
)

// AMF0 markers (AMF0 specification, 2.1).
const (
	amfNumber      = 0x00
	amfBoolean     = 0x01
	amfString      = 0x02
	amfObject      = 0x03
	amfNull        = 0x05
	amfUndefined   = 0x06
	amfReference   = 0x07
	amfECMAArray   = 0x08
	amfObjectEnd   = 0x09
	amfStrictArray = 0x0a
	amfDate        = 0x0b
	amfLongString  = 0x0c
	amfUnsupported = 0x0d
	amfXML         = 0x0f
	amfTypedObject = 0x10
)

// Errors of AMF data.
var (
	errAMFShort  = errors.New("AMF value cut short")
	errAMFDepth  = errors.New("AMF values nested too deep")
	errAMFCount  = errors.New("too many AMF values")
	errAMFMarker = errors.New("unknown AMF marker")
)

// amfProperties is an AMF object or array with names, in the order sent.
type amfProperties []amfProperty

type amfProperty struct {
	name  string
	value any
}

// get returns the value of the first property of that name, nil when there is none.
func (o amfProperties) get(name string) any {
	for _, p := range o {
		if p.name == name {
			return p.value
		}
	}
	return nil
}

// amfReader decodes AMF0 under bounds of depth and number of values. Values are float64 (also for dates), bool, string,
// amfProperties, []any and nil (null, undefined, references). Sizes that the data claims are never believed.
type amfReader struct {
	b     []byte
	depth int // levels left
	count int // values left
}

// more says whether any data is left.
func (r *amfReader) more() bool { return len(r.b) > 0 }

// value decodes the next value.
func (r *amfReader) value() (any, error) {
	if r.count--; r.count < 0 {
		return nil, errAMFCount
	}
	m, err := r.take(1)
	if err != nil {
		return nil, err
	}
	switch m[0] {
	case amfNumber, amfDate:
		return r.number(m[0] == amfDate)
	case amfBoolean:
		b, err := r.take(1)
		return err == nil && b[0] != 0, err
	case amfString:
		return r.text(2)
	case amfLongString, amfXML:
		return r.text(4)
	case amfNull, amfUndefined, amfUnsupported:
		return nil, nil
	case amfReference:
		_, err := r.take(2)
		return nil, err
	case amfObject:
		return r.properties()
	case amfTypedObject:
		if _, err := r.text(2); err != nil {
			return nil, err
		}
		return r.properties()
	case amfECMAArray:
		if _, err := r.take(4); err != nil { // the count: encoders write anything here
			return nil, err
		}
		return r.properties()
	case amfStrictArray:
		return r.array()
	}
	return nil, errAMFMarker
}

func (r *amfReader) take(n int) ([]byte, error) {
	if n < 0 || len(r.b) < n {
		return nil, errAMFShort
	}
	b := r.b[:n]
	r.b = r.b[n:]
	return b, nil
}

func (r *amfReader) number(date bool) (any, error) {
	b, err := r.take(8)
	if err != nil {
		return nil, err
	}
	v := math.Float64frombits(binary.BigEndian.Uint64(b))
	if date {
		_, err = r.take(2) // time zone, "should not be filled in" (2.13)
	}
	return v, err
}

// text reads a string with a length field of size bytes.
func (r *amfReader) text(size int) (string, error) {
	b, err := r.take(size)
	if err != nil {
		return "", err
	}
	n := uint64(0)
	for _, c := range b {
		n = n<<8 | uint64(c)
	}
	if n > uint64(len(r.b)) {
		return "", errAMFShort
	}
	b, err = r.take(int(n))
	return string(b), err
}

// properties reads name-value pairs up to the end marker, or to the end of the data: some encoders leave the marker out.
func (r *amfReader) properties() (any, error) {
	if r.depth--; r.depth < 0 {
		return nil, errAMFDepth
	}
	defer func() { r.depth++ }()
	var o amfProperties
	for len(r.b) >= 3 {
		name, err := r.text(2)
		if err != nil {
			return nil, err
		}
		if name == "" && r.more() && r.b[0] == amfObjectEnd {
			r.b = r.b[1:]
			break
		}
		v, err := r.value()
		if err != nil {
			return nil, err
		}
		o = append(o, amfProperty{name, v})
	}
	return o, nil
}

func (r *amfReader) array() (any, error) {
	if r.depth--; r.depth < 0 {
		return nil, errAMFDepth
	}
	defer func() { r.depth++ }()
	b, err := r.take(4)
	if err != nil {
		return nil, err
	}
	var a []any
	for n := binary.BigEndian.Uint32(b); n > 0 && r.more(); n-- {
		v, err := r.value()
		if err != nil {
			return nil, err
		}
		a = append(a, v)
	}
	return a, nil
}

// command is a message of RTMP 1.0, 7.1.1: a name, a transaction ID and arguments, of which the first is the command
// object.
type command struct {
	name        string
	transaction float64
	args        []any
}

// parseCommand decodes a command message under bounds. A transaction ID that is no number is 0.
func parseCommand(b []byte, depth, values int) (command, error) {
	r := amfReader{b: b, depth: depth, count: values}
	var cmd command
	name, err := r.value()
	if err != nil {
		return cmd, err
	}
	var ok bool
	if cmd.name, ok = name.(string); !ok {
		return cmd, errors.New("command without a name")
	}
	if r.more() {
		v, err := r.value()
		if err != nil {
			return cmd, err
		}
		if n, ok := v.(float64); ok && !math.IsNaN(n) && !math.IsInf(n, 0) {
			cmd.transaction = n
		}
	}
	for r.more() {
		v, err := r.value()
		if err != nil {
			return cmd, err
		}
		cmd.args = append(cmd.args, v)
	}
	return cmd, nil
}

// text returns argument i if it is a string.
func (c command) text(i int) (string, bool) {
	if i >= len(c.args) {
		return "", false
	}
	s, ok := c.args[i].(string)
	return s, ok
}

func appendAMFString(b []byte, s string) []byte {
	s = s[:min(len(s), math.MaxUint16)]
	b = append(b, amfString, byte(len(s)>>8), byte(len(s)))
	return append(b, s...)
}

func appendAMFNumber(b []byte, v float64) []byte {
	return binary.BigEndian.AppendUint64(append(b, amfNumber), math.Float64bits(v))
}

// appendAMFObject appends an object of names and values that are string, float64, bool or nil.
func appendAMFObject(b []byte, pairs ...any) []byte {
	b = append(b, amfObject)
	for i := 0; i+1 < len(pairs); i += 2 {
		name, _ := pairs[i].(string)
		b = append(b, byte(len(name)>>8), byte(len(name)))
		b = append(b, name...)
		b = appendAMF(b, pairs[i+1])
	}
	return append(b, 0, 0, amfObjectEnd)
}

func appendAMF(b []byte, v any) []byte {
	switch v := v.(type) {
	case string:
		return appendAMFString(b, v)
	case float64:
		return appendAMFNumber(b, v)
	case bool:
		if v {
			return append(b, amfBoolean, 1)
		}
		return append(b, amfBoolean, 0)
	}
	return append(b, amfNull)
}
