package markup

import (
	"slices"
	"sort"
	"strings"

	"github.com/andybalholm/cascadia"
)

// maxSteps bounds the comparisons of selectors with elements.
const maxSteps = 4_000_000

// Inline writes the rules of a page's style elements into the style attributes of the elements they
// mean, since some mail programs read nothing else. Higher specificity wins, and of equals
// the later rule; what an attribute says already wins over all rules but important ones.
//
// In the style elements stays what only they can say (@media, @font-face, :hover …), rules that mean
// no element of this page, and rules that may mean one that can't be judged here: in a conditional
// comment, with a tag of the template language for a class or among its attributes, or written by
// a value through raw. All else of the page is left as it is, byte for byte.
func Inline(page string) (string, error) {
	if !strings.Contains(strings.ToLower(page), "<style") {
		return page, nil
	}
	if err := checkSource(page, maxHTML); err != nil {
		return "", err
	}
	return inlineMarked(page, "")
}

// inlineMarked inlines only rules between markers, two for each stretch, and takes the markers away;
// without a marker all rules.
func inlineMarked(page, marker string) (string, error) {
	in, err := newInliner(page)
	if err != nil {
		return "", err
	}
	in.marker = marker
	if err := in.match(in.sheets()); err != nil {
		return "", err
	}
	page, err = in.splice()
	if marker != "" {
		page = strings.ReplaceAll(page, marker, "")
	}
	return page, err
}

// inliner works on one page.
type inliner struct {
	src, masked string
	marker      string
	doc         *document
	blocks      []tag         // those tags that begin or end a block
	depths      []int         // of blocks in each other before each of them, and at the end
	open        bool          // values may bring elements of their own, or elements can't be judged
	hits        map[int][]hit // by the place of the element
	edits       []edit
	size        int // of what comes out
}

// hit is a rule that means an element.
type hit struct {
	*rule
	specificity cascadia.Specificity
	order       int
}

// edit replaces a stretch of the source.
type edit struct {
	from, to int
	text     string
}

func newInliner(page string) (*inliner, error) {
	all, broken := tags(page)
	if broken != nil {
		return nil, broken
	}
	in := &inliner{src: page, hits: map[int][]hit{}, size: len(page), depths: []int{0}}
	masked, depth := []byte(page), 0
	for _, t := range all {
		for i := t.from; i < t.to; i++ {
			masked[i] = filler
		}
		if t.nesting() != 0 {
			depth += t.nesting()
			in.blocks, in.depths = append(in.blocks, t), append(in.depths, depth)
		}
		in.open = in.open || t.name == "" && strings.Contains(t.text, "raw")
	}
	in.masked = string(masked)
	var err error
	if in.doc, err = readDocument(in.masked, page); err != nil {
		return nil, err
	}
	for _, e := range in.doc.elements {
		in.open = in.open || e.uncertain
	}
	return in, nil
}

// conditional tells whether a sheet stands in a block or has one, so that not everybody gets all of it.
func (in *inliner) conditional(s sheet) bool {
	i := sort.Search(len(in.blocks), func(i int) bool { return in.blocks[i].from >= s.openAt })
	return in.depths[i] > 0 || i < len(in.blocks) && in.blocks[i].from < s.endsAt
}

// inlinable is a rule of a sheet, with those of its selectors that can be inlined.
type inlinable struct {
	rule
	sheet     *sheet
	selectors []selector
	whole     bool // all of them can
}

// sheets reads the rules that may be inlined, in their order.
func (in *inliner) sheets() []*inlinable {
	var all []*inlinable
	for i := range in.doc.sheets {
		s := &in.doc.sheets[i]
		if !s.usable || in.conditional(*s) {
			continue
		}
		marks := in.markers(*s)
		for _, r := range rules(in.masked[s.from:s.to]) {
			if n, _ := slices.BinarySearch(marks, r.from); in.marker != "" && n%2 == 0 {
				continue
			}
			found := &inlinable{rule: r, sheet: s, whole: true}
			for _, text := range r.selectors {
				sel, ok := parseSelector(text)
				// What stands beside an element is known only when all get the same elements.
				if ok && (len(in.blocks) == 0 || !sel.onSiblings()) {
					found.selectors = append(found.selectors, sel)
				} else {
					found.whole = false
				}
			}
			all = append(all, found)
		}
	}
	return all
}

// markers are where they stand in a sheet.
func (in *inliner) markers(s sheet) []int {
	var all []int
	if in.marker == "" {
		return nil
	}
	for pos := s.from; ; pos += len(in.marker) {
		i := strings.Index(in.masked[pos:s.to], in.marker)
		if i < 0 {
			return all
		}
		pos += i
		all = append(all, pos-s.from)
	}
}

// match finds the elements of each rule, and takes the rule out of its sheet when it is done with.
func (in *inliner) match(all []*inlinable) error {
	m := newMatcher(in.doc.elements, maxSteps)
	for order, r := range all {
		means := false
		for _, s := range r.selectors {
			ok := m.each(s, func(e *element) {
				if e.from < 0 || e.uncertain || e.head {
					return
				}
				means = true
				m.budget -= 40 + len(r.declarations) // which are to be kept and weighed
				in.hit(e, hit{&r.rule, s.specificity, order})
			})
			for _, n := range in.doc.outlook {
				m.budget -= 1 + len(n.Attr)
				r.whole = r.whole && !s.lastMatches(n)
			}
			if !ok || m.budget < 0 {
				return fault(in.src, r.sheet.from+r.from, "the page has too many elements for so many style rules; take out rules that it does not need")
			}
		}
		if means && r.whole && !in.open {
			in.remove(r)
		}
	}
	for i := range in.doc.sheets {
		in.edits = append(in.edits, in.shrink(&in.doc.sheets[i])...)
	}
	return nil
}

// hit notes a rule for an element. A rule counts once, with its most specific selector.
func (in *inliner) hit(e *element, h hit) {
	all := in.hits[e.from]
	if n := len(all) - 1; n >= 0 && all[n].rule == h.rule {
		if all[n].specificity.Less(h.specificity) {
			all[n] = h
		}
		return
	}
	in.hits[e.from] = append(all, h)
}

// remove takes a rule out of its sheet, with the blanks behind it.
func (in *inliner) remove(r *inlinable) {
	from, to := r.sheet.from+r.from, r.sheet.from+r.to
	for to < r.sheet.to && strings.IndexByte(blanks, in.masked[to]) >= 0 {
		to++
	}
	r.sheet.removed = append(r.sheet.removed, edit{from, to, ""})
}

// shrink gives the edits of a sheet. When nothing is left, the whole element goes, but not in the
// body, where it may count for selectors.
func (in *inliner) shrink(s *sheet) []edit {
	pos, left := s.from, false
	for _, e := range append(s.removed, edit{s.to, s.to, ""}) {
		left = left || strings.Trim(in.masked[pos:e.from], blanks) != ""
		pos = e.to
	}
	if len(s.removed) > 0 && !left && s.head {
		return []edit{{s.openAt, s.endsAt, ""}}
	}
	return s.removed
}

// splice writes the page with its style attributes.
func (in *inliner) splice() (string, error) {
	for _, e := range in.doc.elements {
		hits := in.hits[e.from]
		if e.from < 0 || len(hits) == 0 {
			continue
		}
		in.style(e, hits)
		if in.size > maxHTML {
			return "", tooLarge()
		}
	}
	slices.SortFunc(in.edits, func(a, b edit) int { return a.from - b.from })
	var b strings.Builder
	pos := 0
	for _, e := range in.edits {
		b.WriteString(in.src[pos:e.from])
		b.WriteString(e.text)
		pos = e.to
	}
	b.WriteString(in.src[pos:])
	return b.String(), nil
}

// style writes one element's attribute: in front of what is there, so that this wins.
func (in *inliner) style(e *element, hits []hit) {
	var old *attribute
	for i := range e.attributes {
		if e.attributes[i].name == "style" {
			old = &e.attributes[i]
		}
	}
	quote, existing := byte('"'), ""
	if old != nil {
		existing = old.text
		if old.quote != 0 {
			quote = old.quote
		}
	}
	var add strings.Builder
	for i, d := range cascade(hits, declarations(existing)) {
		if i > 0 {
			add.WriteString(";")
		}
		add.WriteString(d.name + ":" + attributeText(d.value, quote))
		if d.important {
			add.WriteString(" !important")
		}
	}
	if add.Len() == 0 {
		return
	}
	if strings.Trim(existing, blanks) != "" {
		add.WriteByte(';')
	}
	in.size += add.Len() + len(` style=""`)
	switch text := add.String(); {
	case old == nil:
		at := e.from + e.end
		in.edits = append(in.edits, edit{at, at, ` style="` + text + `"`})
	case old.quote != 0:
		in.edits = append(in.edits, edit{e.from + old.from, e.from + old.from, text})
	case old.from == old.nameEnd: // style without a value
		in.edits = append(in.edits, edit{e.from + old.nameEnd, e.from + old.nameEnd, `="` + text + `"`})
	default:
		value := in.src[e.from+old.from : e.from+old.to]
		in.edits = append(in.edits, edit{e.from + old.from, e.from + old.to, `"` + text + value + `"`})
	}
}

// cascade puts the declarations of all rules in the order in which a browser weighs them, and leaves
// out what a stronger one or the attribute overrides. Of one rule several may stay that set the
// same property: an older program takes the one that it knows.
func cascade(hits []hit, existing []declaration) []declaration {
	slices.SortStableFunc(hits, func(a, b hit) int {
		switch {
		case a.specificity.Less(b.specificity):
			return -1
		case b.specificity.Less(a.specificity):
			return 1
		}
		return a.order - b.order
	})
	type strength struct {
		rule      *rule // nil: the attribute
		important bool
	}
	strongest := map[string]strength{}
	for _, d := range existing {
		strongest[d.name] = strength{nil, strongest[d.name].important || d.important}
	}
	weigh := func(each func(*rule, declaration)) {
		for _, important := range []bool{false, true} {
			for _, h := range hits {
				for _, d := range h.declarations {
					if d.important == important {
						each(h.rule, d)
					}
				}
			}
		}
	}
	weigh(func(r *rule, d declaration) {
		s, known := strongest[d.name]
		if !known || s.rule != nil || d.important && !s.important {
			strongest[d.name] = strength{r, d.important}
		}
	})
	var all []declaration
	weigh(func(r *rule, d declaration) {
		if strongest[d.name] == (strength{r, d.important}) {
			all = append(all, d)
		}
	})
	return all
}
