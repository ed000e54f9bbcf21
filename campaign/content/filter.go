package content

import "sort"

// filter is one entry of the language's vocabulary. apply may count on args having
// between least and most values; the weight of all of them is charged before.
type filter struct {
	least, most int
	apply       func(r *render, in value, args []value) value
}

// filters is the vocabulary, made once for each Compile.
func filters() map[string]filter {
	return map[string]filter{
		"default":        {1, 1, defaultTo},
		"escape":         {0, 0, escape},
		"raw":            {0, 0, raw},
		"upcase":         {0, 0, upcase},
		"downcase":       {0, 0, downcase},
		"capitalize":     {0, 0, capitalize},
		"strip":          {0, 0, strip},
		"lstrip":         {0, 0, lstrip},
		"rstrip":         {0, 0, rstrip},
		"strip_html":     {0, 0, stripHTML},
		"strip_newlines": {0, 0, stripNewlines},
		"newline_to_br":  {0, 0, newlineToBr},
		"truncate":       {0, 2, truncate},
		"truncatewords":  {0, 2, truncateWords},
		"replace":        {1, 2, replace},
		"remove":         {1, 1, replace},
		"append":         {1, 1, appendText},
		"prepend":        {1, 1, prependText},
		"split":          {1, 1, split},
		"url_encode":     {0, 0, urlEncode},
		"date":           {1, 1, date},

		"plus":       {1, 1, plus},
		"minus":      {1, 1, minus},
		"times":      {1, 1, times},
		"divided_by": {1, 1, dividedBy},
		"modulo":     {1, 1, modulo},
		"round":      {0, 1, roundTo},
		"ceil":       {0, 0, ceil},
		"floor":      {0, 0, floor},
		"abs":        {0, 0, abs},

		"size":    {0, 0, size},
		"first":   {0, 0, first},
		"last":    {0, 0, last},
		"join":    {0, 1, join},
		"sort":    {0, 1, sorted},
		"reverse": {0, 0, reverse},
		"uniq":    {0, 0, uniq},
		"map":     {1, 1, mapTo},
	}
}

func keys[V any](m map[string]V) []string {
	all := make([]string, 0, len(m))
	for key := range m {
		all = append(all, key)
	}
	sort.Strings(all)
	return all
}

// filtered is a value with the filters behind it.
type filtered struct {
	base  expression
	calls []call
}

type call struct {
	name   string
	at     int
	filter filter
	args   []expression
}

func (f *filtered) eval(r *render) value {
	v := f.base.eval(r)
	for i := range f.calls {
		c := &f.calls[i]
		cost, carried := v.weight(), v.marks
		args := r.args[:len(c.args)]
		for j, arg := range c.args {
			args[j] = arg.eval(r)
			cost += args[j].weight()
			carried |= args[j].marks
		}
		if r.err != nil || !r.charge(1+cost/stepBytes, c.at) {
			return value{kind: null}
		}
		v = c.filter.apply(r, v, args)
		if c.name != "default" { // which gives one of the two as it is
			v.marks = carried
		}
		if !r.charge(v.weight()/stepBytes, c.at) {
			return value{kind: null}
		}
	}
	return v
}

// defaultTo gives its argument for a value of which a reader would see nothing.
func defaultTo(_ *render, in value, args []value) value {
	if in.blank() {
		return args[0]
	}
	return in
}
