package inspect

import (
	"strings"
)

// sender looks at who the mail says it is from.
func (i *inspection) sender() {
	if from := i.from(); from != nil {
		local, domain, _ := cutLast(from.Address, "@")
		switch {
		case freeProviders().host(domain):
			i.add("from_free", i.duty(), domain+" is a provider of mailboxes for people", from.Address)
		case isIP(domain) || !public(domain) || reserved(domain):
			i.add("from_domain", i.duty(), domain+" is no domain that somebody can have on the internet", from.Address)
		}
		if strings.TrimSpace(from.Name) == "" || strings.EqualFold(from.Name, from.Address) {
			i.add("from_name_missing", Info, "the sender has no name", from.Address)
		}
		if plain := strings.NewReplacer("-", "", "_", "", ".", "").Replace(strings.ToLower(local)); strings.HasPrefix(plain, "noreply") || strings.HasPrefix(plain, "donotreply") || strings.HasPrefix(plain, "nepasrepondre") {
			if i.header.Get("Reply-To") == "" {
				i.add("from_noreply", Info, "the address says that nobody reads the answers", from.Address)
			}
		}
	}
	if to := i.mailbox("Reply-To"); to != nil {
		if _, domain, _ := cutLast(to.Address, "@"); freeProviders().host(domain) {
			i.add("reply_to_free", Warning, "answers go to a mailbox at "+domain+"; filters know this from fraud", to.Address)
		}
	}
}

// reserved domains are for tests and for a house of one's own (RFC 2606, 6761,
// 6762).
func reserved(domain string) bool {
	switch domain = normalHost(domain); domain[strings.LastIndexByte(domain, '.')+1:] {
	case "test", "invalid", "localhost", "local", "internal", "lan", "home", "corp", "arpa", "onion":
		return true
	}
	return false
}

// relays looks at the hosts by which the mail leaves.
func (i *inspection) relays() {
	for _, host := range i.RelayHosts {
		if name, _, isPort := cutLast(host, ":"); isPort && !strings.Contains(name, ":") {
			host = name
		}
		if relayHosts().host(host) {
			i.add("relay_free", i.duty(), "the relay is for the customers of a mailbox or access provider", host)
		}
	}
}

// listHeaders looks at the headers behind the button of the mail program.
func (i *inspection) listHeaders() {
	https := false
	for _, target := range i.leaveHeaders() {
		https = https || strings.HasPrefix(strings.ToLower(target), "https://") || i.ours(target)
	}
	switch field := i.header.Get("List-Unsubscribe"); {
	case field == "":
		i.add("list_unsubscribe_missing", i.duty(), "the header List-Unsubscribe is missing: mail programs cannot offer to unsubscribe")
	case !https:
		i.add("list_unsubscribe_missing", i.duty(), "List-Unsubscribe has no https address, which one click needs", excerpt(field))
	}
	if post := strings.TrimSpace(i.header.Get("List-Unsubscribe-Post")); !strings.EqualFold(post, "List-Unsubscribe=One-Click") {
		message := "the header List-Unsubscribe-Post is missing"
		if post != "" {
			message = "List-Unsubscribe-Post does not say what RFC 8058 wants"
		}
		i.add("list_unsubscribe_post", i.duty(), message+": Gmail and Yahoo want one click from those who send 5,000 mails a day", excerpt(post))
	}
}

// leaveHeaders are the addresses of List-Unsubscribe.
func (m *message) leaveHeaders() []string {
	var all []string
	for rest := m.header.Get("List-Unsubscribe"); ; {
		_, after, found := strings.Cut(rest, "<")
		target, next, closed := strings.Cut(after, ">")
		if !found || !closed {
			return all
		}
		all, rest = append(all, strings.TrimSpace(target)), next
	}
}

// cutLast cuts around the last separator.
func cutLast(s, sep string) (before, after string, found bool) {
	if at := strings.LastIndex(s, sep); at >= 0 {
		return s[:at], s[at+len(sep):], true
	}
	return s, "", false
}
