package doctor

import (
	"cmp"
	"slices"
	"strings"
)

// Problem is an error or a warning, as one check is compared with the next.
type Problem struct {
	Check    string   `json:"check"`
	Code     string   `json:"code"`
	About    string   `json:"about"`
	Severity Severity `json:"severity"`
}

func (p Problem) String() string {
	if p.About == "" {
		return p.Code
	}
	return p.Code + " (" + p.About + ")"
}

// Standing is what is known to be wrong after this check, given what was before
// it, and what of that has come and gone. Where nothing was learned now, what
// was known stays: a name server's bad hour neither raises an alarm nor ends a
// fault.
func (r Report) Standing(before []Problem) (now, came, gone []Problem) {
	now = []Problem{} // kept as JSON
	for _, f := range r.Findings {
		p := Problem{f.Check, f.Code, f.About, f.Severity}
		if (f.Severity == Error || f.Severity == Warning) && !f.unknown() && !slices.Contains(now, p) {
			now = append(now, p)
		}
	}
	for _, p := range before {
		if !slices.Contains(now, p) && r.hides(p) {
			now = append(now, p)
		}
	}
	slices.SortFunc(now, func(a, b Problem) int {
		return cmp.Or(cmp.Compare(place(a.Check), place(b.Check)), cmp.Compare(a.Severity.rank(), b.Severity.rank()), cmp.Compare(a.Code, b.Code), cmp.Compare(a.About, b.About))
	})
	for _, p := range now {
		if !slices.Contains(before, p) {
			came = append(came, p)
		}
	}
	for _, p := range before {
		if !slices.Contains(now, p) {
			gone = append(gone, p)
		}
	}
	return now, came, gone
}

// hides tells whether the check learned nothing of what a problem is about.
func (r Report) hides(p Problem) bool {
	return slices.ContainsFunc(r.Findings, func(f Finding) bool {
		if f.Check != p.Check || !f.unknown() {
			return false
		}
		switch p.Check {
		case "dkim", "ptr", "blocklists", "relay": // of several things, each by itself
			return strings.Contains(f.About, p.About) || strings.Contains(p.About, f.About)
		}
		return true
	})
}
