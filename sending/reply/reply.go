package reply

import (
	_ "embed"
	"strings"
	"sync"
)

// Class is what an answer is about.
type Class string

// The classes. Only the first two say that the address itself is dead; from
// BlockedReputation on it is about us and never held against the person.
const (
	NoClass           Class = ""
	DeadAddress       Class = "dead_address"
	DeadDomain        Class = "dead_domain"
	MailboxFull       Class = "mailbox_full"
	Temporary         Class = "temporary"
	Content           Class = "content"
	BlockedReputation Class = "blocked_reputation"
	BlockedPolicy     Class = "blocked_policy"
	Authentication    Class = "authentication"
	Rate              Class = "rate"
	RelayFault        Class = "relay_fault"
)

// Hard tells that the address is gone for good.
func (c Class) Hard() bool { return c == DeadAddress || c == DeadDomain }

// AboutUs tells that the sender or the relay is meant, not the person or the content.
func (c Class) AboutUs() bool {
	switch c {
	case BlockedReputation, BlockedPolicy, Authentication, Rate, RelayFault:
		return true
	}
	return false
}

//go:embed rules.txt
var rulesText string

// rule is a line of rules.txt.
type rule struct {
	class   Class
	sure    bool     // "!" behind the class: true wherever it is said
	phrase  []string // in this order, in lower case
	example string
	source  string
	line    int
}

var rules = sync.OnceValue(func() []rule {
	var all []rule
	n := 0
	for line := range strings.Lines(rulesText) {
		n++
		line = strings.TrimSpace(line)
		if line == "" || line[0] == '#' {
			continue
		}
		parts := strings.Split(line, " | ")
		if len(parts) != 4 {
			panic("rules.txt: want class | phrase | example | source: " + line) // embedded above
		}
		class, sure := strings.CutSuffix(parts[0], "!")
		all = append(all, rule{Class(class), sure, strings.Split(strings.ToLower(parts[1]), "…"), parts[2], parts[3], n})
	}
	return all
})

// matches tells whether a text in lower case holds the phrase's pieces in their order.
func (r *rule) matches(text string) bool {
	for _, piece := range r.phrase {
		at := strings.Index(text, piece)
		if at < 0 {
			return false
		}
		text = text[at+len(piece):]
	}
	return true
}

// ByWords is the class of the first rule that fits a text; [NoClass] if none does.
func ByWords(text string) Class {
	if r := first(text); r != nil {
		return r.class
	}
	return NoClass
}

// Sure tells that the words mean what they say at whatever stage and by
// whomever they are said.
func Sure(text string) bool {
	r := first(text)
	return r != nil && r.sure
}

// first is the first rule that fits a text; nil if none does.
func first(text string) *rule {
	text = strings.Join(strings.Fields(strings.ToLower(text)), " ")
	for i := range rules() {
		if r := &rules()[i]; r.matches(text) {
			return r
		}
	}
	return nil
}

// Classify says what a refusal is about. enhanced may be empty.
func Classify(code int, enhanced, text string) Class {
	c := ByWords(text)
	if (code == 521 || code == 556) && !c.AboutUs() { // RFC 7504: it takes no mail
		return DeadDomain
	}
	if c != NoClass {
		return c
	}
	if code == 421 {
		return Rate
	}
	if c := ByStatus(enhanced); c != NoClass {
		return c
	}
	switch {
	case code == 552 || code == 452: // RFC 5321: no room
		return MailboxFull
	case code/100 == 4 || strings.HasPrefix(enhanced, "4."):
		return Temporary
	case code/100 == 5 || strings.HasPrefix(enhanced, "5."):
		return RelayFault // it does not say what it is about: not the person's fault
	}
	return NoClass
}

// ByStatus is the class of an enhanced code (RFC 3463 and its registry), where
// that alone says enough.
func ByStatus(enhanced string) Class {
	class, detail, _ := strings.Cut(enhanced, ".")
	if class == "4" {
		switch detail {
		case "2.2":
			return MailboxFull
		case "7.28", "4.5":
			return Rate
		}
		return Temporary
	}
	if class != "5" {
		return NoClass
	}
	switch detail {
	case "1.1", "1.3", "1.6":
		return DeadAddress
	case "1.2", "1.10", "4.4":
		return DeadDomain
	case "2.2":
		return MailboxFull
	case "2.3", "3.4", "6.0", "6.1", "6.2", "6.3", "6.5", "6.6", "6.7":
		return Content
	case "7.8", "7.9", "7.20", "7.23", "7.25", "7.26":
		return Authentication
	case "2.1", "4.7", "4.1", "4.2": // 2.1: the mailbox is there and switched off
		return Temporary
	case "7.28":
		return Rate
	}
	if strings.HasPrefix(detail, "7.") {
		return BlockedPolicy
	}
	return NoClass
}
