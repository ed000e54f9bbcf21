package api

import (
	"bytes"
	"encoding/json"
	"strconv"
	"time"

	"facteur/internal/database"

	"github.com/danielgtaylor/huma/v2"
)

// ID is an id as clients see it: a string, since numbers of 63 bits do not
// survive every JSON reader.
type ID string

func idOf(n int64) ID { return ID(strconv.FormatInt(n, 10)) }

func idsOf(ns []int64) []ID {
	ids := make([]ID, len(ns))
	for i, n := range ns {
		ids[i] = idOf(n)
	}
	return ids
}

// int is the number; 0, which nothing has, if it is none.
func (id ID) int() int64 {
	n, err := strconv.ParseInt(string(id), 10, 64)
	if err != nil {
		return 0
	}
	return n
}

func ints(ids []ID) []int64 {
	ns := make([]int64, len(ids))
	for i, id := range ids {
		ns[i] = id.int()
	}
	return ns
}

// Schema implements [huma.SchemaProvider].
func (ID) Schema(huma.Registry) *huma.Schema {
	return &huma.Schema{Type: huma.TypeString, Pattern: `^[0-9]{1,19}$`, PatternDescription: "an id: digits in a string", Examples: []any{"412345678901234567"}}
}

// ByID is the path of a call about one thing. What is no id is the id of nothing.
type ByID struct {
	ID string `path:"id" example:"412345678901234567"`
}

func (b ByID) id() int64 { return ID(b.ID).int() }

// at is a stored time as clients see it: null when there is none.
func at(ms int64) *time.Time {
	if ms == 0 {
		return nil
	}
	t := database.Time(ms)
	return &t
}

// Attributes are a JSON object that is kept as it was given.
type Attributes json.RawMessage

// MarshalJSON gives the object.
func (a Attributes) MarshalJSON() ([]byte, error) {
	if len(a) == 0 {
		return []byte("{}"), nil
	}
	return a, nil
}

// UnmarshalJSON keeps the object without its blanks.
func (a *Attributes) UnmarshalJSON(text []byte) error {
	var b bytes.Buffer
	if err := json.Compact(&b, text); err != nil {
		return err
	}
	*a = b.Bytes()
	return nil
}

// Schema implements [huma.SchemaProvider].
func (Attributes) Schema(huma.Registry) *huma.Schema {
	return &huma.Schema{Type: huma.TypeObject, AdditionalProperties: true}
}
