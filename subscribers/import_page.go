package subscribers

import (
	"errors"
	"io"
	"slices"
	"sort"
	"strings"

	"facteur/subscribers/importer"
)

// importPageRows bounds the transaction of a page: it holds the one writer of
// SQLite, on which senders wait. Pages end at the same rows of a file whatever
// happens on the way.
const importPageRows = 500

// importPage is what one transaction takes from the file.
type importPage struct {
	rows     int64
	people   []importPerson // each address once, in the order of keys
	repeats  []importRepeat
	problems []ImportProblem // of rows that were refused before the database was asked
	state    importer.State  // behind the page
	last     bool

	known map[string]int // address key → place in people, while the page is read
}

type importPerson struct {
	Person
	line int
}

// importRepeat is a row about somebody who is on the page already.
type importRepeat struct {
	key  string
	line int
}

func newImportPage() *importPage {
	return &importPage{known: make(map[string]int, importPageRows)}
}

// read fills the page with the next rows.
func (p *importPage) read(from *importer.Reader, table *importTable) error {
	p.rows, p.last = 0, false
	p.people, p.repeats, p.problems = p.people[:0], p.repeats[:0], p.problems[:0]
	clear(p.known)
	for p.rows < importPageRows {
		record, err := from.Next()
		var unreadable *importer.RecordError
		switch {
		case err == io.EOF:
			p.last = true
		case errors.As(err, &unreadable):
			p.problems = append(p.problems, ImportProblem{
				Line: unreadable.Line, Column: clipped(unreadable.Column),
				Reason: string(unreadable.Reason), Detail: unreadable.Detail,
			})
		case err != nil:
			return err
		default:
			p.add(record, table)
		}
		if p.last {
			break
		}
		p.rows++
	}
	p.state = from.State()
	// Whoever changes many rows does so in the order of keys: two imports at
	// once then wait for each other, but not both at the same time.
	slices.SortFunc(p.people, func(a, b importPerson) int { return strings.Compare(a.Address.Key(), b.Address.Key()) })
	return nil
}

// add takes one record in. A second row about a person is laid over the first,
// as if it had come on a later page.
func (p *importPage) add(record importer.Record, table *importTable) {
	person, problem := table.person(record.Fields)
	if problem != nil {
		problem.Line = record.Line
		p.problems = append(p.problems, *problem)
		return
	}
	key := person.Address.Key()
	if first, again := p.known[key]; again {
		p.repeats = append(p.repeats, importRepeat{key, record.Line})
		p.people[first].overlay(&person)
		return
	}
	p.known[key] = len(p.people)
	p.people = append(p.people, importPerson{person, record.Line})
}

// overlay lays a later row's facts over the person's.
func (p *Person) overlay(later *Person) {
	for _, f := range []struct{ to, from *string }{{&p.Name, &later.Name}, {&p.Locale, &later.Locale}, {&p.Timezone, &later.Timezone}} {
		if *f.from != "" {
			*f.to = *f.from
		}
	}
	p.Attributes = merge(p.Attributes, later.Attributes)
}

// persons are those to enroll.
func (p *importPage) persons() []Person {
	out := make([]Person, len(p.people))
	for i := range p.people {
		out[i] = p.people[i].Person
	}
	return out
}

// count adds up what became of a page: enrolled answers to its persons.
func (r *importRow) count(page *importPage, enrolled []Enrolled) {
	problems := slices.Clone(page.problems)
	refused := map[string]error{}
	for i, e := range enrolled {
		switch {
		case e.Err != nil:
			problems = append(problems, enrollProblem(page.people[i].line, e.Err))
			refused[page.people[i].Address.Key()] = e.Err
		case e.Created:
			r.Created++
		default:
			r.Updated++
		}
	}
	for _, again := range page.repeats {
		if err := refused[again.key]; err != nil {
			problems = append(problems, enrollProblem(again.line, err))
		} else {
			r.Updated++
		}
	}
	r.Rows += page.rows
	r.Refused += int64(len(problems))
	if room := mostProblems - len(r.Problems); room > 0 {
		sort.Slice(problems, func(i, j int) bool { return problems[i].Line < problems[j].Line })
		r.Problems = append(slices.Clip(r.Problems), problems[:min(room, len(problems))]...)
	}
}

func enrollProblem(line int, err error) ImportProblem {
	p := ImportProblem{Line: line, Reason: Suppressed, Detail: ErrSuppressed.Error()}
	if errors.Is(err, ErrLeft) {
		p.Reason, p.Detail = Left, ErrLeft.Error()
	}
	return p
}
