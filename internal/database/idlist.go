package database

import (
	"encoding/json"
	"strconv"
)

// FormatIDs is ids as they are stored in a JSON column: an array of strings,
// as clients see them, since 63 bits are more than a JSON number keeps.
func FormatIDs(ids []int64) string {
	texts := make([]string, len(ids))
	for i, id := range ids {
		texts[i] = strconv.FormatInt(id, 10)
	}
	b, _ := json.Marshal(texts) // strings always marshal
	return string(b)
}

// ParseIDs is the reverse of [FormatIDs].
func ParseIDs(text string) ([]int64, error) {
	var texts []string
	if err := json.Unmarshal([]byte(text), &texts); err != nil {
		return nil, err
	}
	ids := make([]int64, len(texts))
	for i, t := range texts {
		var err error
		if ids[i], err = strconv.ParseInt(t, 10, 64); err != nil {
			return nil, err
		}
	}
	return ids, nil
}
