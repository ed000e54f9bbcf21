package doctor

import (
	"errors"
	"fmt"
	"regexp"
	"slices"
	"strings"
)

// tag is one name=value of a list as DKIM, DMARC, MTA-STS and TLS-RPT have it
// (RFC 6376 section 3.2).
type tag struct{ name, value string }

type tags []tag

var tagName = regexp.MustCompile(`^[A-Za-z][A-Za-z0-9_]*$`)

// parseTags reads a list of tags between semicolons. Names keep their case.
func parseTags(text string) (tags, error) {
	var list tags
	for part := range strings.SplitSeq(text, ";") {
		part = strings.Trim(part, " \t\r\n")
		if part == "" {
			continue
		}
		name, value, ok := strings.Cut(part, "=")
		name = strings.TrimRight(name, " \t\r\n")
		if !ok || !tagName.MatchString(name) {
			return nil, fmt.Errorf("%s is not name=value", quote(part))
		}
		if _, twice := list.get(name); twice {
			return nil, fmt.Errorf("%s= stands there twice", name)
		}
		list = append(list, tag{name, strings.TrimLeft(value, " \t\r\n")})
	}
	if len(list) == 0 {
		return nil, errors.New("it is empty")
	}
	return list, nil
}

// get is the value of a tag.
func (l tags) get(name string) (value string, ok bool) {
	i := slices.IndexFunc(l, func(t tag) bool { return t.name == name })
	if i < 0 {
		return "", false
	}
	return l[i].value, true
}

// list cuts a value at a separator.
func splitValue(value, separator string) []string {
	var all []string
	for one := range strings.SplitSeq(value, separator) {
		if one = strings.TrimSpace(one); one != "" {
			all = append(all, one)
		}
	}
	return all
}
