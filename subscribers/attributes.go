package subscribers

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"strconv"
	"strings"
)

// CleanAttributes is a JSON object as both databases can keep it: no NUL in a
// text, which PostgreSQL refuses, no half of a surrogate pair, and no number
// that nobody could compute with. The error says what is wrong.
func CleanAttributes(text string) (string, error) {
	if text == "" || text == "{}" {
		return text, nil
	}
	d := json.NewDecoder(strings.NewReader(text))
	d.UseNumber()
	var object map[string]any
	if err := d.Decode(&object); err != nil {
		return "", errors.New("want an object of names and values")
	}
	if err := cleanValue(object); err != nil {
		return "", err
	}
	var b bytes.Buffer
	if err := json.NewEncoder(&b).Encode(object); err != nil {
		return "", err
	}
	return strings.TrimSuffix(b.String(), "\n"), nil
}

func cleanValue(v any) error {
	switch t := v.(type) {
	case string:
		if strings.Contains(t, "\x00") {
			return errors.New("a text holds a NUL character")
		}
	case json.Number:
		if _, err := strconv.ParseFloat(t.String(), 64); err != nil {
			return fmt.Errorf("the number %.40s is too large", t)
		}
	case []any:
		for _, inner := range t {
			if err := cleanValue(inner); err != nil {
				return err
			}
		}
	case map[string]any:
		for name, inner := range t {
			if err := cleanValue(name); err != nil {
				return err
			}
			if err := cleanValue(inner); err != nil {
				return err
			}
		}
	}
	return nil
}
