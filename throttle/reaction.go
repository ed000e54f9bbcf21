package throttle

import (
	_ "embed"
	"fmt"
	"regexp"
	"strconv"
	"strings"
	"sync"
	"time"
)

// Reply is an answer that is about us, as a lane reacts to it.
type Reply struct {
	Class    string // of package sending/reply
	Code     int
	Enhanced string
	Text     string // without the recipient's address
}

func (r Reply) String() string {
	return strings.TrimSpace(fmt.Sprintf("%d %s %s", r.Code, r.Enhanced, r.Text))
}

// Reaction is a rule of the data file.
type Reaction struct {
	Provider  string // "*": any
	Class     string // "*": any
	Words     *regexp.Regexp
	Hits      int64 // in an hour
	PerMinute int64 // 0: suspend
	For       time.Duration
	Source    string
}

// Name names the rule for people.
func (r Reaction) Name() string {
	if r.Words != nil {
		return r.Provider + " " + r.Words.String()
	}
	return r.Provider + " " + r.Class
}

//go:embed reactions.txt
var reactionsFile string

var reactions = sync.OnceValue(func() []Reaction {
	rules, err := ParseReactions(reactionsFile)
	if err != nil {
		panic("reactions.txt: " + err.Error()) // embedded above
	}
	return rules
})

// ParseReactions reads rules, one a line; see reactions.txt.
func ParseReactions(text string) (rules []Reaction, err error) {
	n := 0
	for line := range strings.Lines(text) {
		n++
		line = strings.TrimSpace(line)
		if line == "" || strings.HasPrefix(line, "#") {
			continue
		}
		r, err := parseReaction(line)
		if err != nil {
			return nil, fmt.Errorf("line %d: %w", n, err)
		}
		rules = append(rules, r)
	}
	return rules, nil
}

func parseReaction(line string) (r Reaction, err error) {
	f := strings.Split(line, ";")
	if len(f) != 7 {
		return r, fmt.Errorf("%d fields: want provider; class; words; hits; action; time; source", len(f))
	}
	for i := range f {
		f[i] = strings.TrimSpace(f[i])
	}
	r.Provider, r.Class, r.Source = f[0], f[1], f[6]
	if f[2] != "-" {
		if r.Words, err = regexp.Compile(f[2]); err != nil {
			return r, fmt.Errorf("words %q: %w", f[2], err)
		}
	}
	if r.Hits, err = strconv.ParseInt(f[3], 10, 32); err != nil || r.Hits < 1 {
		return r, fmt.Errorf("hits %q: want a number from 1 on", f[3])
	}
	if f[4] != "suspend" {
		text, ok := strings.CutSuffix(f[4], "/min")
		if r.PerMinute, err = strconv.ParseInt(text, 10, 32); err != nil || !ok || r.PerMinute < 1 {
			return r, fmt.Errorf("action %q: want suspend or a pace such as 10/min", f[4])
		}
	}
	if r.For, err = time.ParseDuration(f[5]); err != nil || r.For <= 0 {
		return r, fmt.Errorf("time %q: want a duration such as 30m", f[5])
	}
	if r.Source == "" {
		return r, fmt.Errorf("the source is missing")
	}
	return r, nil
}

// reactionTo is the first rule that an answer in a provider's lane calls for.
func reactionTo(provider string, a Reply) (Reaction, bool) {
	text := a.String()
	for _, r := range reactions() {
		if (r.Provider == "*" || r.Provider == provider) && (r.Class == "*" || r.Class == a.Class) && (r.Words == nil || r.Words.MatchString(text)) {
			return r, true
		}
	}
	return Reaction{}, false
}
