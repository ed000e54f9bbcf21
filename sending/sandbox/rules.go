package sandbox

import (
	"bytes"
	"fmt"
	"strings"
	"sync/atomic"
)

// Rule makes a share of the recipients misbehave. The first rule that picks an address decides; the words in
// addresses come before all rules. Rules whose word strikes at MAIL look at the sender's address instead.
type Rule struct {
	// Match is a domain: "example.com" means it and all below it; empty means every domain.
	Match string `json:"match,omitempty"`
	// Fraction of the addresses that is picked, 0 to 1, by a hash of the address: the same address is picked each
	// time and in every process. Zero beside EveryNth means all.
	Fraction float64 `json:"fraction,omitempty"`
	// EveryNth lets only each n-th attempt among those picked by Fraction strike; zero lets all.
	EveryNth int `json:"every_nth,omitempty"`
	// Action is the Name of a Word.
	Action string `json:"action"`
	// Seed varies whom Fraction picks.
	Seed uint64 `json:"seed,omitempty"`
}

// rule is a Rule made ready, with its count of attempts.
type rule struct {
	Rule
	play  *play
	match []byte
	tries atomic.Int64
}

// compileRules checks rules and binds them to the table of words.
func compileRules(rules []Rule, plays []*play) ([]*rule, error) {
	ready := make([]*rule, 0, len(rules))
	for i, r := range rules {
		if r.Fraction < 0 || r.Fraction > 1 || r.Fraction != r.Fraction {
			return nil, fmt.Errorf("rule %d: fraction %v: must be between 0 and 1", i, r.Fraction)
		}
		if r.EveryNth < 0 {
			return nil, fmt.Errorf("rule %d: every_nth %d: must not be negative", i, r.EveryNth)
		}
		if r.Fraction == 0 && r.EveryNth == 0 {
			return nil, fmt.Errorf("rule %d picks nobody: set fraction (1 is all) or every_nth", i)
		}
		p := playNamed(plays, r.Action)
		if p == nil {
			return nil, fmt.Errorf("rule %d: unknown action %q: use one of the words, see Words", i, r.Action)
		}
		match := strings.ToLower(strings.TrimPrefix(r.Match, "@"))
		ready = append(ready, &rule{Rule: r, play: p, match: []byte(match)})
	}
	return ready, nil
}

func playNamed(plays []*play, name string) *play {
	for _, p := range plays {
		if p.Name == name {
			return p
		}
	}
	return nil
}

// picks says whether the rule strikes at this attempt, and counts the attempt for EveryNth.
func (r *rule) picks(address []byte) bool {
	if len(r.match) > 0 && !under(domainOf(address), r.match) {
		return false
	}
	if r.Fraction > 0 && share(address, r.Seed) >= r.Fraction {
		return false
	}
	return r.EveryNth < 2 || r.tries.Add(1)%int64(r.EveryNth) == 0
}

// under says whether domain is suffix or a name below it.
func under(domain, suffix []byte) bool {
	n := len(domain) - len(suffix)
	if n < 0 || !bytes.EqualFold(domain[n:], suffix) {
		return false
	}
	return n == 0 || domain[n-1] == '.'
}

// domainOf is what stands behind the last '@'; empty if there is none.
func domainOf(address []byte) []byte {
	return address[bytes.LastIndexByte(address, '@')+1:]
}

// share maps an address evenly and for good onto [0, 1): FNV-1a, then the finalizer of SplitMix64, as FNV alone
// leaves the high bits of short, similar texts alike.
func share(address []byte, seed uint64) float64 {
	h := uint64(14695981039346656037) ^ seed*0x9e3779b97f4a7c15
	for _, c := range address {
		if 'A' <= c && c <= 'Z' {
			c |= 0x20
		}
		h = (h ^ uint64(c)) * 1099511628211
	}
	h = (h ^ h>>30) * 0xbf58476d1ce4e5b9
	h = (h ^ h>>27) * 0x94d049bb133111eb
	h ^= h >> 31
	return float64(h>>11) / (1 << 53)
}

// playAt finds what is played for an address at MAIL (the sender's) or from RCPT on (the recipient's); nil is
// the ordinary course.
func (s *Server) playAt(mail bool, address []byte) *play {
	if !mail && !s.opt.PlainNames {
		if at := bytes.LastIndexByte(address, '@'); at > 0 {
			for _, p := range s.plays {
				if !p.ByRule && p.begins(address[:at]) {
					return p
				}
			}
		}
	}
	for _, r := range *s.rules.Load() {
		if (r.play.Stage == AtMail) == mail && r.picks(address) {
			return r.play
		}
	}
	return nil
}

// strikes says whether a play is on at this attempt, and remembers the attempt of those that depend on earlier ones.
func (s *Server) strikes(p *play, address, sender []byte) bool {
	if !p.Once && !p.Greylists {
		return true
	}
	now := s.now()
	what := p.Name
	if p.Greylists {
		what += " " + string(domainOf(sender))
	}
	attempts, first := s.ledger.remember(address, []byte(what), now)
	if p.Greylists && s.opt.GreylistFor > 0 {
		return now-first < s.opt.GreylistFor.Milliseconds()
	}
	return attempts == 1
}
