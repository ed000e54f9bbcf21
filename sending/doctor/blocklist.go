package doctor

import (
	"context"
	"net/netip"
	"slices"
	"strings"

	"facteur/internal/panics"
)

// blockAnswer is what one list said about one address or domain.
type blockAnswer struct {
	list    Blocklist
	about   string
	found   []netip.Addr
	words   string // the question; then what the list says to it
	refused bool   // the question, or the list answers with what is no listing
	err     error
}

// blocklists asks the lists about the egress addresses and the domains.
func (e *examination) blocklists(ctx context.Context) []Finding {
	f := &findings{check: "blocklists"}
	var questions []blockAnswer
	var names []string
	for _, list := range e.opt.Lists {
		for _, ip := range e.Egress {
			if kind := map[bool]string{true: "ip4", false: "ip6"}[ip.Is4()]; slices.Contains(list.Lists, kind) {
				questions = append(questions, blockAnswer{list: list, about: ip.String(), words: list.question(ip)})
			}
		}
		if slices.Contains(list.Lists, "domain") {
			for _, domain := range slices.Compact([]string{organisation(e.Domain), organisation(e.ReturnPath)}) {
				questions = append(questions, blockAnswer{list: list, about: domain, words: domain + "." + list.Zone})
			}
		}
	}
	if len(e.Egress) == 0 {
		f.add(Info, "blocklist_domain_only", "", "Block lists were asked about the domain alone: the sending addresses are not known.").Fix = "Give the relays their egress_ips, or name them with --egress."
	}
	var all panics.Group
	for i := range questions {
		all.Go(func() { e.askList(ctx, &questions[i]) })
	}
	all.Wait()
	free := 0
	silent, refusing := map[string][]string{}, map[string][]string{}
	for _, a := range questions {
		switch {
		case a.err != nil:
			silent[a.list.Zone] = append(silent[a.list.Zone], a.about)
		case a.refused:
			refusing[a.list.Zone] = append(refusing[a.list.Zone], a.about)
		case len(a.found) == 0:
			free++
			names = append(names, a.list.Name)
		default:
			f.listed(a)
		}
	}
	for _, list := range e.opt.Lists {
		if about := silent[list.Zone]; about != nil {
			f.add(Warning, "blocklist_unknown", list.Zone, "%s (%s) did not answer about %s.", list.Name, list.Zone, sorted(about)).Fix = "Look there by hand: " + list.Delist
		}
		if about := refusing[list.Zone]; about != nil {
			f.add(Warning, "blocklist_refused", list.Zone, "%s (%s) does not answer this resolver about %s; this is no listing. Lists refuse public resolvers, and those who ask too often.", list.Name, list.Zone, sorted(about)).
				Fix = "Ask through a resolver of your own (FACTEUR_DNS), or look there by hand: " + list.Delist
		}
	}
	if free > 0 && !f.has("blocklist_listed") {
		slices.Sort(names)
		f.add(OK, "blocklist_clear", "", "Not listed by %s.", strings.Join(slices.Compact(names), ", "))
	}
	return f.all
}

func (f *findings) listed(a blockAnswer) {
	var codes, means []string
	for _, ip := range a.found {
		codes = append(codes, ip.String())
		means = append(means, a.list.meaning(ip))
	}
	said := ""
	if a.words != "" {
		said = ", and says " + quote(a.words)
	}
	f.add(a.list.Severity, "blocklist_listed", a.about+" "+a.list.Zone, "%s lists %s: %s (%s)%s.", a.list.Name, a.about, strings.Join(means, "; "), strings.Join(codes, ", "), said).
		Fix = "Find and end what caused it, then ask to be taken off: " + a.list.Delist
}

// askList puts a question, which stands in words, to its list.
func (e *examination) askList(ctx context.Context, a *blockAnswer) {
	name := a.words
	a.words = ""
	found, err := e.dns.IPv4(ctx, name)
	switch {
	case missing(err):
		return
	case err != nil:
		a.err = err
		return
	}
	told := slices.ContainsFunc(found, refuses)
	found = slices.DeleteFunc(found, func(ip netip.Addr) bool { return a.list.meaning(ip) == "" })
	if told || len(found) == 0 || e.listsAll(ctx, a.list) {
		a.refused = true
		return
	}
	slices.SortFunc(found, netip.Addr.Compare)
	a.found = found
	if texts, err := e.dns.TXT(ctx, name); err == nil {
		a.words = strings.Join(texts, " ")
	}
}

// listsAll tells whether a list also lists what none may list (RFC 5782 sections
// 2.1 and 5), as lists do that have been shut down.
func (e *examination) listsAll(ctx context.Context, b Blocklist) bool {
	if slices.Contains(b.Lists, "domain") {
		_, err := e.dns.IPv4(ctx, "invalid."+b.Zone)
		return err == nil
	}
	_, err := e.dns.IPv4(ctx, "1.0.0.127."+b.Zone)
	return err == nil
}
