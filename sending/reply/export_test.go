package reply

// Rule is a line of rules.txt.
type Rule struct {
	Class           Class
	Words           string
	Example, Source string
	Line            int
}

// Rules are all lines of rules.txt.
func Rules() (all []Rule) {
	for _, r := range rules() {
		words := ""
		for _, piece := range r.phrase {
			words += piece + "…"
		}
		all = append(all, Rule{r.class, words, r.example, r.source, r.line})
	}
	return all
}
