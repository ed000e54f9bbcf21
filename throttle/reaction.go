package throttle

import (
	"fmt"
	"regexp"
	"slices"
	"strconv"
	"strings"
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
	Provider string // "*": any
	Class    string // "*": any
	Words    *regexp.Regexp
	Hits     int64 // answers about us, in an hour
	// What is done: both 0: suspend.
	PerMinute   int64
	Connections int64
	For         time.Duration
	Source      string
}

// Name names the rule for people.
func (r Reaction) Name() string {
	if r.Words != nil {
		return r.Provider + " " + r.Words.String()
	}
	return r.Provider + " " + r.Class
}

// parseReaction reads a rule of the data file.
func parseReaction(line string) (r Reaction, err error) {
	f := strings.SplitN(line, ";", 7)
	if len(f) != 7 {
		return r, fmt.Errorf("%d fields: want provider; class; words; hits; action; time; source", len(f))
	}
	for i := range f {
		f[i] = strings.TrimSpace(f[i])
	}
	r.Provider, r.Class, r.Source = f[0], f[1], f[6]
	if !slices.Contains([]string{"*", "rate", "blocked_reputation", "blocked_policy"}, r.Class) {
		return r, fmt.Errorf("class %q: want rate, blocked_reputation, blocked_policy or *", r.Class)
	}
	if f[2] != "-" {
		if r.Words, err = regexp.Compile(f[2]); err != nil {
			return r, fmt.Errorf("words %q: %w", f[2], err)
		}
	}
	if r.Hits, err = strconv.ParseInt(f[3], 10, 32); err != nil || r.Hits < 1 {
		return r, fmt.Errorf("hits %q: want a number from 1 on", f[3])
	}
	if err := r.parseAction(f[4]); err != nil {
		return r, err
	}
	if r.For, err = time.ParseDuration(f[5]); err != nil || r.For <= 0 || r.For > longest {
		return r, fmt.Errorf("time %q: want a duration such as 30m, of %s at most", f[5], longest)
	}
	if r.Source == "" {
		return r, fmt.Errorf("the source is missing")
	}
	return r, nil
}

// parseAction reads what a rule does.
func (r *Reaction) parseAction(text string) (err error) {
	if text == "suspend" {
		return nil
	}
	for unit, at := range map[string]*int64{"/min": &r.PerMinute, " connections": &r.Connections} {
		if n, ok := strings.CutSuffix(text, unit); ok {
			if *at, err = strconv.ParseInt(n, 10, 32); err == nil && *at > 0 {
				return nil
			}
		}
	}
	return fmt.Errorf("action %q: want suspend, a pace such as 10/min, or connections such as 1 connections", text)
}
