package subscribers

import (
	"encoding/json"
	"os"
	"slices"
	"strings"
	"unicode/utf8"

	"facteur/internal/address"
	"facteur/subscribers/importer"
)

// importSource gives the rows of a file one by one.
type importSource interface {
	// next is io.EOF at the end, an [*importer.RecordError] for a row that cannot be read.
	next() (importedRow, error)
	// state is behind the row that next gave last.
	state() importer.State
}

// importedRow is a row of a file as a person.
type importedRow struct {
	importContent
	person  Person
	problem *ImportProblem // nil when the row may be enrolled
}

// importContent is a row as it was, should it be refused.
type importContent struct {
	line   int
	fields []string // of a CSV row
	object string   // of JSON Lines
}

// json is the row as [refusal] keeps it.
func (c *importContent) json() string {
	if c.object != "" {
		return c.object
	}
	if c.fields == nil {
		return "[]"
	}
	b, _ := json.Marshal(c.fields) // texts always marshal
	return string(b)
}

// openSource goes on from a state.
func openSource(file *os.File, p importProgress) (importSource, error) {
	if p.State.Format == importer.JSONL {
		objects, err := importer.NewObjects(file, p.State)
		return &objectSource{objects: objects, mapping: p.Columns}, err
	}
	reader, err := importer.Resume(file, p.State)
	if err != nil {
		return nil, err
	}
	table, err := newImportTable(reader.Columns(), p.Columns)
	return &tableSource{reader, table}, err
}

// tableSource reads CSV.
type tableSource struct {
	reader *importer.Reader
	table  *importTable
}

func (s *tableSource) state() importer.State { return s.reader.State() }

func (s *tableSource) next() (importedRow, error) {
	record, err := s.reader.Next()
	if err != nil {
		return importedRow{}, err
	}
	row := importedRow{importContent: importContent{line: record.Line, fields: copied(record.Fields)}}
	row.person, row.problem = s.table.person(record.Fields)
	return row, nil
}

// copied are fields that outlast the reader's buffer, in one allocation for their text.
func copied(fields [][]byte) []string {
	n := 0
	for _, f := range fields {
		n += len(f)
	}
	var all strings.Builder
	all.Grow(n)
	for _, f := range fields {
		all.Write(f)
	}
	text, out := all.String(), make([]string, len(fields))
	for i, f := range fields {
		out[i], text = text[:len(f)], text[len(f):]
	}
	return out
}

// objectSource reads JSON Lines. Each object is a row with columns of its own.
type objectSource struct {
	objects *importer.Objects
	mapping map[string]string
}

func (s *objectSource) state() importer.State { return s.objects.State() }

func (s *objectSource) next() (importedRow, error) {
	object, err := s.objects.Next()
	if err != nil {
		return importedRow{}, err
	}
	row := importedRow{importContent: importContent{line: object.Line, object: string(object.Raw)}}
	row.person, row.problem = s.person(object.Fields)
	return row, nil
}

// person reads an object as a table's row is read; a member called attributes
// that is an object holds more of them.
func (s *objectSource) person(fields []importer.Field) (p Person, problem *ImportProblem) {
	attributes := map[string]json.RawMessage{}
	var email, first, last string
	for _, f := range fields {
		key := attributeKey(f.Name)
		if to, mapped := s.mapping[f.Name]; mapped {
			if to == unused {
				continue
			}
			key = attributeKey(to)
		}
		if known := knownColumn(key); known != "" {
			key = known
		}
		if len(f.JSON) > longestValue && key != "attributes" {
			return p, &ImportProblem{Column: clipped(f.Name), Reason: "value_too_long", Detail: "the value is longer than may be"}
		}
		text := plain([]byte(f.Text))
		if string(f.JSON) == "null" {
			text = ""
		}
		switch key {
		case "":
		case emailColumn:
			email = text
		case nameColumn:
			p.Name = text
		case localeColumn:
			p.Locale = text
		case timezoneColumn:
			p.Timezone = text
		case "attributes":
			more := map[string]json.RawMessage{}
			if json.Unmarshal(f.JSON, &more) != nil || len(f.JSON) > 20*longestValue {
				return p, &ImportProblem{Column: "attributes", Reason: "invalid_attributes", Detail: "want an object of names and values"}
			}
			for name, value := range more {
				attributes[name] = value
			}
		default:
			switch key {
			case firstNameColumn:
				first = text
			case lastNameColumn:
				last = text
			}
			if text != "" {
				attributes[key] = slices.Clone(f.JSON)
			}
		}
	}
	var err error
	if p.Address, err = address.Parse(email); err != nil {
		return p, addressProblem(&importColumn{header: emailColumn}, err)
	}
	if p.Name == "" {
		p.Name = strings.TrimSpace(first + " " + last)
	}
	if n := utf8.RuneCountInString(p.Name); n > longestName {
		return p, (&importTable{name: &importColumn{header: nameColumn}}).nameTooLong(n)
	}
	if len(attributes) > 0 {
		b, err := json.Marshal(attributes)
		if err != nil {
			return p, &ImportProblem{Column: "attributes", Reason: "invalid_attributes", Detail: "the values cannot be kept"}
		}
		if p.Attributes, err = CleanAttributes(string(b)); err != nil {
			return p, &ImportProblem{Column: "attributes", Reason: "invalid_attributes", Detail: err.Error()}
		}
	}
	return p, nil
}
