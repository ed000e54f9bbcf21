package content

import (
	"slices"
	"strconv"
	"strings"
)

// sentence parses what stands between one pair of braces. The first problem is kept, and
// parsing goes on with a value of nothing.
type sentence struct {
	parser *parser
	words  []lexeme
	pos    int
	depth  int // of index expressions
	// asking is true while a test or a loop's list is read.
	asking  bool
	problem *problem
}

func (p *parser) sentence(t token, skip int) *sentence {
	words, problem := lexemes(t.text[skip:], t.inner+skip)
	if problem != nil {
		words = []lexeme{{kind: lexEnd, at: problem.at}}
	}
	return &sentence{parser: p, words: words, problem: problem}
}

func (s *sentence) fail(at int, message string) {
	if s.problem == nil {
		s.problem = &problem{at, message}
	}
}

func (s *sentence) peek() lexeme { return s.words[s.pos] }

func (s *sentence) next() lexeme {
	l := s.words[s.pos]
	if l.kind != lexEnd {
		s.pos++
	}
	return l
}

// sign takes the sign if it stands next.
func (s *sentence) sign(sign string) bool {
	if l := s.peek(); l.kind != lexSign || l.text != sign {
		return false
	}
	s.pos++
	return true
}

// word takes the name if it stands next.
func (s *sentence) word(word string) bool {
	if l := s.peek(); l.kind != lexName || l.text != word {
		return false
	}
	s.pos++
	return true
}

func (s *sentence) expect(sign, after string) {
	if !s.sign(sign) {
		s.fail(s.peek().at, quoted(sign)+" is missing after "+after)
	}
}

// end asks that nothing is left.
func (s *sentence) end() {
	if l := s.peek(); l.kind != lexEnd {
		s.fail(l.at, "did not expect "+quoted(l.text)+" here")
	}
}

// piped reads an operand and the filters after it.
func (s *sentence) piped() expression {
	used := len(s.parser.names)
	start := s.peek()
	base := s.operand()
	own := len(s.parser.names) > used
	var calls []call
	for s.sign("|") {
		c := s.call()
		if c.filter.apply == nil {
			continue
		}
		if c.name == "date" && len(calls) == 0 {
			s.checkDate(start, c)
		}
		if c.name == "default" && own {
			s.parser.names[used].HasDefault = true
		}
		calls = append(calls, c)
	}
	if len(calls) == 0 {
		return base
	}
	return &filtered{base, calls}
}

func (s *sentence) call() call {
	l := s.next()
	if l.kind != lexName {
		s.fail(l.at, "the name of a filter is missing after |")
		return call{}
	}
	c := call{name: l.text, at: l.at}
	filter, known := s.parser.filters[l.text]
	if !known {
		s.fail(l.at, "unknown filter "+quoted(l.text)+suggestion(l.text, keys(s.parser.filters)))
	}
	if s.sign(":") {
		for {
			if l := s.peek(); l.kind == lexName && s.words[s.pos+1].text == ":" {
				s.fail(l.at, "named arguments are not known; write the values in their order")
			}
			c.args = append(c.args, s.operand())
			if !s.sign(",") {
				break
			}
		}
	}
	if known && (len(c.args) < filter.least || len(c.args) > filter.most) {
		s.fail(l.at, "the filter "+c.name+" takes "+arguments(filter.least, filter.most)+", not "+strconv.Itoa(len(c.args)))
		return call{}
	}
	c.filter = filter
	return c
}

func arguments(least, most int) string {
	switch {
	case most == 0:
		return "no value after it"
	case least == most && most == 1:
		return "one value after :"
	case least == most:
		return strconv.Itoa(most) + " values after :"
	}
	return strconv.Itoa(least) + " to " + strconv.Itoa(most) + " values after :"
}

// checkDate refuses what can be seen to be wrong before anybody's date is known.
func (s *sentence) checkDate(base lexeme, c call) {
	if word := strings.ToLower(base.text); base.kind == lexText && (word == "now" || word == "today") {
		s.fail(base.at, "a template has no clock, so "+quoted(base.text)+" is no date; use a date of the person, like attributes.since")
	}
	if format, ok := c.args[0].(constant); ok && format.v.kind == text {
		if verb := unknownVerb(format.v.s); verb != "" {
			s.fail(c.at, "the date format has "+quoted(verb)+", which is not known; use %d %m %Y %B %H %M and so on")
		}
	}
}

// test reads comparisons joined by and, or.
func (s *sentence) test() expression {
	defer func(before bool) { s.asking = before }(s.asking)
	s.asking = true
	c := &chain{at: s.peek().at}
	for {
		one := comparison{left: s.operand()}
		if l := s.peek(); isComparison(l) {
			s.pos++
			one.sign, one.right = l.text, s.operand()
		}
		c.tests = append(c.tests, one)
		switch {
		case s.word("and"):
			c.joins = append(c.joins, true)
		case s.word("or"):
			c.joins = append(c.joins, false)
		default:
			if l := s.peek(); l.kind == lexSign && l.text == "=" {
				s.fail(l.at, `one "=" compares nothing; write ==`)
			} else if l.kind == lexSign && l.text == "|" {
				s.fail(l.at, "a test takes no filters; assign the filtered value to a name first")
			}
			return c
		}
	}
}

func isComparison(l lexeme) bool {
	if l.kind == lexName {
		return l.text == "contains"
	}
	return l.kind == lexSign && slices.Contains([]string{"==", "!=", "<>", "<", ">", "<=", ">="}, l.text)
}

// operand reads a literal or a name with its steps.
func (s *sentence) operand() expression {
	l := s.next()
	switch l.kind {
	case lexText:
		return constant{textValue(l.text)}
	case lexNumber:
		if n, err := strconv.ParseInt(l.text, 10, 64); err == nil {
			return constant{intValue(n)}
		}
		f, err := strconv.ParseFloat(l.text, 64)
		if err != nil {
			s.fail(l.at, "the number is too large")
		}
		return constant{floatValue(f)}
	case lexName:
		switch l.text {
		case "true", "false":
			return constant{boolValue(l.text == "true")}
		case "nil", "null":
			return constant{value{kind: null}}
		case "blank", "empty":
			return constant{value{kind: blank}}
		}
		at := len(s.parser.names)
		return s.parser.resolve(s, l, s.steps(), at)
	case lexEnd:
		s.fail(l.at, "a value is missing here")
	default:
		if l.text == "(" {
			s.fail(l.at, `a range or brackets can't stand here; a range stands after "in", tests need no brackets`)
		}
		s.fail(l.at, "a value is missing before "+quoted(l.text))
	}
	return constant{value{kind: null}}
}

// steps reads .member and [index] after a name.
func (s *sentence) steps() []step {
	if s.depth++; s.depth > maxDepth {
		s.fail(s.peek().at, "too many brackets inside each other")
		return nil
	}
	defer func() { s.depth-- }()
	var steps []step
	for {
		switch {
		case s.sign("."):
			l := s.next()
			if l.kind != lexName && l.kind != lexNumber {
				s.fail(l.at, `a name is missing after "."`)
				return steps
			}
			steps = append(steps, step{key: l.text})
		case s.sign("["):
			index := s.operand()
			s.expect("]", "the index")
			if c, ok := index.(constant); ok && c.v.kind == text {
				steps = append(steps, step{key: c.v.s})
			} else {
				steps = append(steps, step{index: index})
			}
		default:
			return steps
		}
	}
}
