package segment

import (
	"strings"

	"golang.org/x/text/cases"
	"golang.org/x/text/unicode/norm"
)

// fold makes texts equal that differ only in case, or in how a letter is
// composed. It is the case folding of Unicode: ß is ss, and ς is σ.
func fold(text string) string {
	upper := false
	for i := range len(text) {
		c := text[i]
		if c >= 0x80 {
			return norm.NFC.String(cases.Fold().String(norm.NFC.String(text)))
		}
		upper = upper || c >= 'A' && c <= 'Z'
	}
	if upper {
		return strings.ToLower(text)
	}
	return text
}
