package subscribers

import (
	"encoding/json"
	"fmt"
	"slices"
	"sort"
	"strings"
	"unicode"
	"unicode/utf8"

	"facteur/internal/address"

	"golang.org/x/text/unicode/norm"
)

// Bounds of what one row may say of a person.
const (
	longestName  = 200  // characters
	longestValue = 2000 // bytes
	longestKey   = 64   // characters
)

// The columns that mean something; any other becomes an attribute.
const (
	emailColumn     = "email"
	nameColumn      = "name"
	firstNameColumn = "first_name"
	lastNameColumn  = "last_name"
	localeColumn    = "locale"
	timezoneColumn  = "timezone"
)

// knownColumn is the meaning of a header's key, "" where it has none of its own.
func knownColumn(key string) string {
	switch key {
	case "email", "e_mail", "mail", "email_address", "e_mail_address", "adresse_email", "adresse_e_mail", "adresse_mail", "courriel":
		return emailColumn
	case "name", "full_name", "nom", "nom_complet":
		return nameColumn
	case "first_name", "firstname", "given_name", "prénom", "prenom":
		return firstNameColumn
	case "last_name", "lastname", "surname", "family_name", "nom_de_famille":
		return lastNameColumn
	case "locale", "language", "langue":
		return localeColumn
	case "timezone", "time_zone", "fuseau", "fuseau_horaire":
		return timezoneColumn
	}
	return ""
}

// importColumn is one column of the file that is used.
type importColumn struct {
	at     int    // position in the file
	header string // as the file spells it
	key    string
	json   string // the key as it stands in a JSON object: "city":
}

// importTable says what the columns of a file mean. Columns without a name
// (or of which no letter or digit is left) are not read.
type importTable struct {
	email, name, first, last, locale, timezone *importColumn

	attributes []importColumn // in the order of their keys, as encoding/json writes maps

	buf []byte
}

// newImportTable refuses columns that would not say whom a row is about, or
// two that would write to the same place.
func newImportTable(headers []string, mapping map[string]string) (*importTable, error) {
	columns, err := keyed(headers, mapping)
	if err != nil {
		return nil, err
	}
	t := &importTable{}
	for i := range columns {
		c := &columns[i]
		switch c.key {
		case emailColumn:
			t.email = c
			continue
		case nameColumn:
			t.name = c
			continue
		case localeColumn:
			t.locale = c
			continue
		case timezoneColumn:
			t.timezone = c
			continue
		case firstNameColumn:
			t.first = c
		case lastNameColumn:
			t.last = c
		}
		t.attributes = append(t.attributes, *c)
	}
	if t.email == nil {
		return nil, fmt.Errorf("no column holds the e-mail address: name it email (the columns are %s)", listed(headers))
	}
	sort.Slice(t.attributes, func(i, j int) bool { return t.attributes[i].key < t.attributes[j].key })
	return t, nil
}

// unused is what a column is mapped to that is not to be read.
const unused = "-"

// keyed gives each named column its key: the one it is mapped to, else its own.
func keyed(headers []string, mapping map[string]string) ([]importColumn, error) {
	for name := range mapping {
		if !slices.Contains(headers, name) {
			return nil, fmt.Errorf("there is no column %q to be mapped (the columns are %s)", clipped(name), listed(headers))
		}
	}
	columns := make([]importColumn, 0, len(headers))
	at := map[string]int{} // key → place in columns
	for i, h := range headers {
		key := attributeKey(h)
		to, mapped := mapping[h]
		switch known := knownColumn(key); {
		case mapped && to == unused, key == "" && !mapped:
			continue
		case mapped:
			if key = attributeKey(to); key == "" {
				return nil, fmt.Errorf("column %q is mapped to %q, which is no name", clipped(h), clipped(to))
			}
		case key == "nom" && namesFirst(headers):
			key = lastNameColumn // prénom;nom
		case known != "":
			key = known
		}
		if other, taken := at[key]; taken {
			return nil, fmt.Errorf("the columns %q and %q both mean %q: remove or rename one (the columns are %s)",
				clipped(columns[other].header), clipped(h), key, listed(headers))
		}
		at[key] = len(columns)
		text, err := json.Marshal(key)
		if err != nil {
			return nil, err
		}
		columns = append(columns, importColumn{at: i, header: h, key: key, json: string(text) + ":"})
	}
	return columns, nil
}

// namesFirst tells whether "nom" stands beside a first name, and so is the last one.
func namesFirst(headers []string) bool {
	first, last := false, false
	for _, h := range headers {
		switch knownColumn(attributeKey(h)) {
		case firstNameColumn:
			first = true
		case lastNameColumn:
			last = true
		}
	}
	return first && !last
}

// attributeKey makes a name for templates out of a header: letters, digits and
// underscores in lower case, with an underscore for spaces and dashes.
func attributeKey(header string) string {
	var b strings.Builder
	gap, n := false, 0
	for _, r := range norm.NFC.String(strings.TrimSpace(header)) {
		switch {
		case unicode.IsSpace(r), unicode.Is(unicode.Pd, r):
			gap = true
			continue
		case r != '_' && !unicode.IsLetter(r) && !unicode.IsDigit(r):
			continue
		}
		if gap && n > 0 && n < longestKey {
			b.WriteByte('_')
			n++
		}
		if gap = false; n == longestKey {
			break
		}
		b.WriteRune(unicode.ToLower(r))
		n++
	}
	return b.String()
}

// person reads one row; problem is nil when the row may be enrolled.
func (t *importTable) person(fields [][]byte) (p Person, problem *ImportProblem) {
	var err error
	if p.Address, err = address.Parse(string(fields[t.email.at])); err != nil {
		return p, addressProblem(t.email, err)
	}
	for _, f := range []struct {
		column *importColumn
		to     *string
	}{{t.locale, &p.Locale}, {t.timezone, &p.Timezone}, {t.name, &p.Name}} {
		if f.column == nil {
			continue
		}
		value := plain(fields[f.column.at])
		if len(value) > longestValue {
			return p, tooLong(f.column, len(value))
		}
		*f.to = value
	}
	if p.Name == "" {
		p.Name = t.joinedName(fields)
	}
	if n := len(p.Name); n > longestName {
		if n = utf8.RuneCountInString(p.Name); n > longestName {
			return p, t.nameTooLong(n)
		}
	}
	p.Attributes, problem = t.object(fields)
	return p, problem
}

// joinedName is the name where the file has it in two columns.
func (t *importTable) joinedName(fields [][]byte) string {
	var first, last string
	if t.first != nil {
		first = plain(fields[t.first.at])
	}
	if t.last != nil {
		last = plain(fields[t.last.at])
	}
	return strings.TrimSpace(first + " " + last)
}

// object writes the attributes as JSON, "" if there are none.
func (t *importTable) object(fields [][]byte) (string, *ImportProblem) {
	t.buf = t.buf[:0]
	for i := range t.attributes {
		c := &t.attributes[i]
		value := trimmed(fields[c.at])
		switch {
		case len(value) == 0:
			continue
		case len(value) > longestValue:
			return "", tooLong(c, len(value))
		case len(t.buf) == 0:
			t.buf = append(t.buf, '{')
		default:
			t.buf = append(t.buf, ',')
		}
		t.buf = append(t.buf, c.json...)
		t.buf = appendJSON(t.buf, value)
	}
	if len(t.buf) == 0 {
		return "", nil
	}
	t.buf = append(t.buf, '}')
	return string(t.buf), nil
}
