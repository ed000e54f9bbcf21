package main

import "fmt"

// goal is a figure that is held against what it should be.
type goal struct {
	What  string  `json:"what"`
	Found float64 `json:"found"`
	Want  string  `json:"want"`
	Met   bool    `json:"met"`
}

// judge compares what was found with the goals and prints it.
func (r *report) judge() {
	find := func(what, network string, n int) *row {
		for i, one := range r.Rows {
			if one.What == what && one.Network == network && (n == 0 || one.Recipients == n) {
				return &r.Rows[i]
			}
		}
		return nil
	}
	most := func(what string, found, most float64) {
		r.Goals = append(r.Goals, goal{what, found, fmt.Sprintf("at most %g", most), found <= most})
	}
	least := func(what string, found, least float64) {
		r.Goals = append(r.Goals, goal{what, found, fmt.Sprintf("at least %g", least), found >= least})
	}
	if main := find("facteur, sqlite", "0s+0s", 0); main != nil {
		most("SQLite: CPU to by hand", main.CPURatio, 1)
		least("SQLite: rate to by hand", main.RateRatio, 0.8)
		most("SQLite: peak memory, MB", main.PeakMB, 80)
	}
	if far := find("facteur, sqlite", "5ms+0s", 0); far != nil {
		least("SQLite: rate to by hand, 5 ms round trip", far.RateRatio, 0.85)
	}
	if small, large := find("facteur, sqlite", "0s+0s", 10_000), find("facteur, sqlite", "0s+0s", 1_000_000); small != nil && large != nil {
		most("SQLite: CPU a message, 1,000,000 to 10,000 people", large.CPU/small.CPU, 1.1)
	}
	for _, i := range r.Imports {
		least("import, "+i.Engine+": rate to plain SQL", i.Ratio, 0.4)
		most("import, "+i.Engine+": peak memory, MB", i.PeakMB, 200)
		if !i.Same {
			least("import, "+i.Engine+": same end state after kill -9", 0, 1)
		}
	}
	for _, b := range r.Reports {
		least("delivery reports a second, "+b.While, b.Rate, 1000)
	}
	for i, c := range r.Clicks {
		least("one-click leaves a second, "+c.While, c.Rate, []float64{5000, 1500}[i])
	}
	fmt.Println("\n| goal | found | want | met |\n|---|---|---|---|")
	for _, g := range r.Goals {
		met := "yes"
		if !g.Met {
			met = "**no**"
		}
		fmt.Printf("| %s | %.2f | %s | %s |\n", g.What, g.Found, g.Want, met)
	}
}
