package parse

import (
	"slices"
	"strings"
)

// cutOriginal cuts a text where the original mail begins.
func cutOriginal(text string) (before, original string, ok bool) {
	lower := strings.ToLower(text)
	first := -1
	for _, mark := range []string{
		"--- below this line is a copy", "--- below the next line is", "------ this is a copy of", "----- original message", "--- original message", "original message follows", "----- message header", "---- unsent message",
		"------- original message", "--------- returned mail follows", "--- the original message", "-- original message", "message headers follow", "received message follows", "------ original", "======= original", "original mail as follows",
		"your message reads", "headers of your message", "--- message from", "*** original", "content-type: message/rfc822", "-------- original message", "--- returned message", "returned message follows", "the header of the original message is following",
		"your original message", "a copy of the original message", "this is a copy of the", "---- start of returned message", "below is a copy", "included is a copy of",
	} {
		if at := strings.Index(lower, mark); at >= 0 && (first < 0 || at < first) {
			first = at
		}
	}
	if first < 0 {
		return text, "", false
	}
	rest := text[first:]
	if end := strings.IndexByte(rest, '\n'); end >= 0 {
		return text[:first], rest[end+1:], true
	}
	return text[:first], "", true
}

// ofText reads a report for people: each address that something is said about.
func (m *returned) ofText() []Report {
	text, _, _ := cutOriginal(m.text)
	kind := Bounce
	if lower := strings.ToLower(text + " " + m.subject()); strings.Contains(lower, "still being retried") || strings.Contains(lower, "will continue to try") || strings.Contains(lower, "warning message only") ||
		strings.Contains(lower, "do not need to resend") || strings.Contains(lower, ": delayed") || strings.Contains(lower, "has not yet been delivered") || strings.Contains(lower, "delayed mail") {
		kind = Delayed
	}
	var found []Report
	for _, who := range m.failed(text) {
		said := saidNear(text, who)
		r := Report{Kind: kind, Recipient: who, Diagnostic: said, stage: stageIn(said)}
		if r.stage == "" {
			r.stage = stageIn(text)
		}
		found = append(found, r)
	}
	if len(found) == 0 && m.original != nil { // about whoever it was for
		if to := addressIn(m.original.Get("To")); to != "" {
			found = append(found, Report{Kind: kind, Recipient: to, Diagnostic: text})
		}
	}
	if len(found) == 0 && strings.TrimSpace(text) != "" && saysRefused(text) {
		found = append(found, Report{Kind: kind, Diagnostic: text})
	}
	return found
}

func saysRefused(text string) bool {
	return codeIn(text) != 0 || statusIn(text) != ""
}

// failed are the addresses that a text says something about: by the header
// that some servers add, else those that lead a line, or stand behind the words
// by which servers name a recipient.
func (m *returned) failed(text string) []string {
	var all []string
	add := func(address string) {
		address = strings.Trim(address, "<>.")
		known := func(a string) bool { return strings.EqualFold(a, address) }
		if address == "" || slices.ContainsFunc(all, known) || m.ours(address) {
			return
		}
		all = append(all, address)
	}
	for _, a := range strings.Split(m.header.Get("X-Failed-Recipients"), ",") {
		add(addressIn(a))
	}
	if len(all) > 0 {
		return all
	}
	lines := strings.Split(text, "\n")
	for _, strict := range []bool{true, false} {
		for _, line := range lines {
			if names(strings.TrimSpace(line), strict) {
				add(addressIn(line))
			}
		}
		if len(all) > 0 {
			return all
		}
	}
	for _, line := range lines { // who wrote to themselves
		if line = strings.TrimSpace(line); names(line, true) {
			return []string{addressIn(line)}
		}
	}
	return nil
}

// names tells whether a line names a recipient; a strict look wants words that
// leave no doubt.
func names(line string, strict bool) bool {
	lower := strings.ToLower(line)
	if !strings.Contains(line, "@") {
		return false
	}
	for _, words := range []string{"rcpt to:", "recipient:", "final-recipient", "original-recipient", "to:<", "delivery to the following", "message was not delivered to", "failed recipient", "could not be delivered to", "unable to deliver"} {
		if strings.Contains(lower, words) {
			return true
		}
	}
	if line[0] == '<' && (strings.HasSuffix(line, ">:") || strings.HasSuffix(line, ">") || strings.Contains(line, ">: ") || strings.Contains(line, ">... ")) {
		return true
	}
	bare := addressIn(line)
	if bare != "" && (line == bare || line == bare+":" || strings.HasPrefix(line, bare+" ") || strings.HasPrefix(line, bare+"... ") || strings.HasPrefix(line, bare+": ") || strings.HasPrefix(line, bare+",")) {
		return true
	}
	return !strict && bare != ""
}

// ours tells that an address is that of the sender of the original, to whom the
// report comes.
func (m *returned) ours(address string) bool {
	for _, h := range []string{m.header.Get("To"), m.header.Get("From")} {
		if strings.EqualFold(addressIn(h), address) {
			return true
		}
	}
	return m.original != nil && strings.EqualFold(addressIn(m.original.Get("From")), address)
}

// near is the part of the text for people about a recipient, all of it if they
// are not in it.
func (m *returned) near(who string) string {
	text, _, _ := cutOriginal(m.text)
	if who != "" && strings.Contains(strings.ToLower(text), strings.ToLower(who)) {
		if said := saidNear(text, who); stageIn(said) != "" {
			return said
		}
	}
	return text
}

// saidAbout is what the text for people says about a recipient.
func (m *returned) saidAbout(who string) string {
	text, _, _ := cutOriginal(m.text)
	if who == "" || !strings.Contains(strings.ToLower(text), strings.ToLower(who)) {
		return ""
	}
	return saidNear(text, who)
}

// saidNear is the part of a text about a recipient: the lines with an SMTP
// answer that name them or follow them, else the paragraph.
func saidNear(text, who string) string {
	lines := strings.Split(strings.ReplaceAll(text, "\r", ""), "\n")
	at := slices.IndexFunc(lines, func(l string) bool { return strings.Contains(strings.ToLower(l), strings.ToLower(who)) })
	if at < 0 {
		return text
	}
	var b strings.Builder
	for i := at; i < len(lines) && i < at+12; i++ {
		line := strings.TrimSpace(lines[i])
		if i > at && line != "" && strings.Contains(line, "@") && !strings.Contains(strings.ToLower(line), strings.ToLower(who)) && names(line, true) {
			break // about the next one
		}
		b.WriteString(line + "\n")
	}
	near := b.String()
	if codeIn(near) == 0 && statusIn(near) == "" { // the answer stands elsewhere
		for _, line := range lines {
			line = strings.TrimSpace(line)
			if codeIn(line) != 0 && (statusIn(line) != "" || line[0] == '4' || line[0] == '5' || strings.Contains(line, "<<<") || strings.Contains(strings.ToLower(line), "said:")) {
				near += line + "\n"
			}
		}
	}
	return near
}
