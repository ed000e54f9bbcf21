// Package content turns what a marketer wrote into ready SMTP bytes: a template
// is compiled once for each version of a campaign and joined with one person's
// values for each message. It is pure: no clock, no files, no database.
//
// Compile parses, checks, lays out the MIME message and encodes every static
// piece as quoted-printable. Append writes one whole message: a walk over ready
// pieces and values. A template without tags is a flat list; conditions and loops
// are small trees of such lists. Every piece, static or value, begins at column 0
// of a line and ends at column 0 of the next (by a soft line break), so that a value
// never reflows what stands beside it, and a dot never begins a line.
//
// # The language
//
// It is a subset of Liquid:
//
//	template = { text | "{{" value "}}" | "{%" tag "%}" }     "-" inside a brace trims blanks on that side
//	value    = operand { "|" filter [ ":" operand { "," operand } ] }
//	operand  = "text" | 'text' | number | true | false | nil | blank | empty | name { "." name | "[" operand "]" }
//	test     = operand [ op operand ] { ( "and" | "or" ) … }   op: == != < > <= >= contains; read from the right, as in Liquid
//	tag      = if test … elsif test … else … endif | unless test … else … endunless
//	         | case operand … when operand { ( "," | "or" ) operand } … else … endcase
//	         | for name in ( operand | "(" operand ".." operand ")" ) [ reversed ] [ limit: n ] [ offset: n ] … else … endfor
//	         | break | continue | assign name = value | capture name … endcapture | comment … endcomment | raw … endraw | # remark
//
// Names: name, email, locale, attributes.X (.Y, [i], ["a key"]), unsubscribe_url,
// preferences_url, web_url, postal_address, what was assigned or captured, loop variables,
// and inside a loop forloop.index, index0, rindex, rindex0, first, last, length, parentloop.
// Lists also have .size, .first and .last, texts .size.
//
// Filters on texts: default, escape, raw, upcase, downcase, capitalize, strip, lstrip, rstrip,
// strip_html, strip_newlines, newline_to_br, truncate, truncatewords, replace, remove, append,
// prepend, split, url_encode, date. On numbers: plus, minus, times, divided_by, modulo, round,
// ceil, floor, abs. On lists: size, first, last, join, sort, reverse, uniq, map.
//
// Where it differs from Liquid, on purpose: an empty text counts as false; a number
// compares with a text that reads as a number; a printed list has ", " between its items;
// dividing by zero gives nothing; there is no "now".
//
// In HTML every value is escaped, unless it went through raw last; newline_to_br and escape
// escape once. In text and subject nothing is escaped, and those two leave the value alone.
//
// # Limits
//
// A render is stopped with an Error that names the place after 20,000 steps, 10,000
// rounds of one loop or 2 MiB of output. A step is a tag, a value, a filter, a round
// of a loop; texts and lists cost more the longer they are. A part is at most 1 MiB
// and nests at most 32 deep; all parts together name at most 500 attributes.
package content
