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
	contents []importContent // of all rows, for those that are refused
	state    importer.State  // behind the page
	last     bool

	known map[string]int // address key → place in people, while the page is read
}

type importPerson struct {
	Person
	line int
	row  int // in the page's contents
}

// importRepeat is a row about somebody who is on the page already.
type importRepeat struct {
	key  string
	line int
	row  int
}

func newImportPage() *importPage {
	return &importPage{known: make(map[string]int, importPageRows)}
}

// read fills the page with the next rows.
func (p *importPage) read(from importSource) error {
	p.rows, p.last = 0, false
	p.people, p.repeats, p.problems, p.contents = p.people[:0], p.repeats[:0], p.problems[:0], p.contents[:0]
	clear(p.known)
	for p.rows < importPageRows {
		row, err := from.next()
		var unreadable *importer.RecordError
		switch {
		case err == io.EOF:
			p.last = true
		case errors.As(err, &unreadable):
			p.problems = append(p.problems, ImportProblem{
				Line: unreadable.Line, Column: clipped(unreadable.Column),
				Reason: string(unreadable.Reason), Detail: unreadable.Detail,
			})
			p.contents = append(p.contents, importContent{line: unreadable.Line})
		case err != nil:
			return err
		default:
			p.add(row)
		}
		if p.last {
			break
		}
		p.rows++
	}
	p.state = from.state()
	// Whoever changes many rows does so in the order of keys: two imports at
	// once then wait for each other, but not both at the same time.
	slices.SortFunc(p.people, func(a, b importPerson) int { return strings.Compare(a.Address.Key(), b.Address.Key()) })
	return nil
}

// add takes one row in. A second row about a person is laid over the first,
// as if it had come on a later page.
func (p *importPage) add(row importedRow) {
	at := len(p.contents)
	p.contents = append(p.contents, row.importContent)
	if row.problem != nil {
		row.problem.Line = row.line
		p.problems = append(p.problems, *row.problem)
		return
	}
	key := row.person.Address.Key()
	if first, again := p.known[key]; again {
		p.repeats = append(p.repeats, importRepeat{key, row.line, at})
		p.people[first].overlay(&row.person)
		return
	}
	p.known[key] = len(p.people)
	p.people = append(p.people, importPerson{row.person, row.line, at})
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

// count adds up what became of a page, and returns the rows that were refused:
// enrolled answers to its persons.
func (r *importRow) count(page *importPage, enrolled []Enrolled) []refusal {
	var refusals []refusal
	for _, p := range page.problems {
		refusals = append(refusals, refusal{ImportProblem: p})
	}
	refused := map[string]error{}
	for i, e := range enrolled {
		switch p := &page.people[i]; {
		case e.Err != nil:
			refusals = append(refusals, refusal{enrollProblem(p.line, e.Err), p.Address.Key()})
			refused[p.Address.Key()] = e.Err
		case e.Created:
			r.Created++
		default:
			r.Updated++
		}
	}
	for _, again := range page.repeats {
		if err := refused[again.key]; err != nil {
			refusals = append(refusals, refusal{enrollProblem(again.line, err), again.key})
		} else {
			r.Updated++
		}
	}
	r.Rows += page.rows
	r.Refused += int64(len(refusals))
	sort.Slice(refusals, func(i, j int) bool { return refusals[i].Line < refusals[j].Line })
	for _, x := range refusals[:max(0, min(mostProblems-len(r.Problems), len(refusals)))] {
		r.Problems = append(slices.Clip(r.Problems), x.ImportProblem)
	}
	return refusals
}

func enrollProblem(line int, err error) ImportProblem {
	p := ImportProblem{Line: line, Reason: Suppressed, Detail: ErrSuppressed.Error()}
	if errors.Is(err, ErrLeft) {
		p.Reason, p.Detail = Left, ErrLeft.Error()
	}
	return p
}
