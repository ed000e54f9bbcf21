package doctor

import (
	"context"
	"errors"
	"net"
	"net/netip"
	"slices"
	"strings"

	"facteur/internal/address"

	"blitiri.com.ar/go/spf"
)

// The limits of RFC 7208 section 4.6.4.
const (
	spfLookups     = 10
	spfVoidLookups = 2
	spfExchangers  = 10
)

// spfAsked bounds how much of a runaway record is followed.
const spfAsked = 40

// spf examines the record of the return path, which is the domain that receivers
// look at (RFC 7208 section 2.4).
func (e *examination) spf(ctx context.Context) []Finding {
	w := &spfWalk{e: e, f: findings{check: "spf"}}
	f, domain := &w.f, e.ReturnPath
	record, ok := w.fetch(ctx, domain)
	if !ok {
		return f.all
	}
	w.walk(ctx, domain, record, nil)
	if w.lookups > spfLookups {
		more := ""
		if w.asked > spfAsked {
			more = " or more"
		}
		f.add(Error, "spf_lookups", domain, "The SPF record of %s makes receivers ask DNS %d times%s; they stop after %d, and take the record for broken unless it has allowed the sender before.", domain, w.lookups, more, spfLookups).
			Fix = "Take out what is not used, or name addresses (ip4:, ip6:) in place of include:, a and mx."
	}
	if w.void > spfVoidLookups {
		f.add(Error, "spf_void", domain, "%d names in the SPF record of %s have no records; receivers stop at more than %d.", w.void, domain, spfVoidLookups).
			Fix = "Take out of the record what is gone."
	}
	e.judge(ctx, f, record)
	return f.all
}

// judge asks for each egress address what a receiver would conclude.
func (e *examination) judge(ctx context.Context, f *findings, record string) {
	domain := e.ReturnPath
	if len(e.Egress) == 0 {
		f.add(Info, "spf_not_judged", domain, "Whether the record allows your relays cannot be told: their sending addresses are not known.").
			Fix = "Give the relays their egress_ips, or name them with --egress."
		return
	}
	var left []netip.Addr
	var results []string
	broken := slices.ContainsFunc(f.all, func(x Finding) bool { return x.Severity == Error })
	for _, ip := range e.Egress {
		result, err := spf.CheckHostWithSender(net.IP(ip.AsSlice()), domain, "postmaster@"+domain, spf.WithContext(ctx), spf.WithResolver(library{e.dns}))
		switch result {
		case spf.Pass:
			f.add(OK, "spf_pass", ip.String(), "SPF of %s passes for %s.", domain, ip)
		case spf.TempError:
			if !f.has("spf_unknown") {
				f.add(Warning, "spf_unknown", ip.String(), "Whether SPF of %s passes for %s could not be learned in time.", domain, ip).Fix = "Ask again in a while."
			}
		case spf.PermError:
			if !broken {
				f.add(Error, "spf_broken", domain, "Receivers take the SPF record of %s for broken when mail comes from %s: %s.", domain, ip, quote(err.Error())).Fix = "Simplify the record."
			}
		default:
			left = append(left, ip)
			results = append(results, ip.String()+" ("+string(result)+")")
		}
	}
	if len(left) == 0 {
		return
	}
	x := f.add(Error, "spf_not_allowed", domain, "SPF of %s does not allow what your relays send from: %s.", domain, strings.Join(results, ", "))
	x.Fix = "Add the addresses to the record."
	if printable(record) {
		x.Fix = "Add the addresses: replace the record by this one."
		x.Record = &Record{domain, "TXT", "v=spf1" + mechanisms(left) + record[len("v=spf1"):]}
	}
}

// mechanisms name addresses in an SPF record.
func mechanisms(ips []netip.Addr) (text string) {
	for _, ip := range ips {
		kind := " ip4:"
		if ip.Is6() {
			kind = " ip6:"
		}
		text += kind + ip.String()
	}
	return text
}

// spfWalk follows a record to the records it names, and counts as a receiver
// does whom no mechanism lets stop earlier.
type spfWalk struct {
	e              *examination
	f              findings
	lookups, void  int
	asked          int
	loops, unknown bool
}

// fetch finds the return path's record and says what is wrong when there is not just one.
func (w *spfWalk) fetch(ctx context.Context, domain string) (record string, ok bool) {
	f := &w.f
	texts, err := w.e.dns.TXT(ctx, domain)
	if err != nil && !missing(err) {
		f.unlearned("spf_unknown", "TXT "+domain, err)
		return "", false
	}
	var records, almost []string
	for _, t := range texts {
		switch {
		case isSPF(t):
			records = append(records, t)
		case almostSPF(t):
			almost = append(almost, t)
		}
	}
	switch {
	case len(records) == 1:
		return records[0], true
	case len(records) > 1:
		f.add(Error, "spf_several", domain, "%s has %d SPF records; receivers take that for broken: %s.", domain, len(records), quote(strings.Join(records, "  |  "))).
			Fix = "Leave one, and join in it what the others allow."
	case len(almost) > 0:
		f.add(Error, "spf_syntax", domain, "%s has a TXT record that receivers do not read as SPF: %s.", domain, quote(almost[0])).
			Fix = "It must begin with v=spf1 and a space, without quotes around."
	default:
		x := f.add(Error, "spf_missing", domain, "%s, the domain of your envelope senders, has no SPF record.", domain)
		x.Fix = "Publish one that names what your relays send from: their addresses, or include: and the name their provider gives."
		if len(w.e.Egress) > 0 {
			x.Fix = "Publish it."
			x.Record = &Record{domain, "TXT", "v=spf1" + mechanisms(w.e.Egress) + " -all"}
		}
	}
	return "", false
}

// walk follows one record; above are the domains that led here.
func (w *spfWalk) walk(ctx context.Context, domain, record string, above []string) {
	f, top := &w.f, w.e.ReturnPath
	terms, err := parseSPF(record)
	if err != nil {
		if domain == top {
			f.add(Error, "spf_syntax", domain, "The SPF record of %s is not understood, at %v.", domain, err).Fix = "Mend or remove it: receivers ignore a record with a mistake anywhere."
		} else {
			f.add(Error, "spf_include_broken", domain, "The SPF record of %s, which yours includes, is not understood, at %v.", domain, err).Fix = "Take it out of your record, or tell who publishes it."
		}
		return
	}
	above = append(slices.Clip(above), strings.ToLower(domain))
	all := slices.IndexFunc(terms, func(t spfTerm) bool { return t.name == "all" && t.qualifier != 0 })
	for i, t := range terms {
		if all >= 0 && (i > all && t.qualifier != 0 || t.qualifier == 0 && t.name == "redirect") {
			continue // is never reached
		}
		if t.asks() {
			w.lookups++
			w.ask(ctx, domain, t, above)
		}
	}
	if domain == top {
		w.ending(domain, terms, all)
	}
}

// ending says what the record leaves to those it does not name.
func (w *spfWalk) ending(domain string, terms []spfTerm, all int) {
	f := &w.f
	if all >= 0 {
		switch terms[all].qualifier {
		case '+':
			f.add(Error, "spf_all_pass", domain, "The SPF record of %s ends with +all: it allows everybody to send for you.", domain).Fix = "Replace it by -all, or ~all for as long as you are not sure."
		case '?':
			f.add(Warning, "spf_all_neutral", domain, "The SPF record of %s ends with ?all, which says nothing about others.", domain).Fix = "Replace it by -all, or ~all for as long as you are not sure."
		}
		return
	}
	if !slices.ContainsFunc(terms, func(t spfTerm) bool { return t.qualifier == 0 && t.name == "redirect" }) {
		f.add(Warning, "spf_all_missing", domain, "The SPF record of %s has no all at its end, so it says nothing about others.", domain).Fix = "Put -all at its end, or ~all for as long as you are not sure."
	}
}

// ask does what a receiver does for a term that asks DNS.
func (w *spfWalk) ask(ctx context.Context, domain string, t spfTerm, above []string) {
	f, dns := &w.f, w.e.dns
	name := strings.ToLower(strings.TrimSuffix(t.target, "."))
	if name == "" {
		name = domain
	}
	if t.name == "ptr" {
		if !f.has("spf_ptr") {
			f.add(Warning, "spf_ptr", domain, "The SPF record of %s uses ptr, which is slow and which some receivers do not follow.", domain).Fix = "Name addresses, or a and mx, in its place."
		}
		return // what it finds depends on the sending address
	}
	if w.asked++; !t.plain() || w.asked > spfAsked {
		return
	}
	switch t.name {
	case "include", "redirect":
		w.include(ctx, domain, name, t, above)
	case "a":
		_, err := dns.Host(ctx, name)
		w.count(name, err)
	case "exists":
		_, err := dns.IPv4(ctx, name)
		w.count(name, err)
	case "mx":
		found, err := dns.MX(ctx, name)
		if errors.Is(err, address.ErrNullMX) {
			return
		}
		w.count(name, err)
		if len(found) > spfExchangers {
			f.add(Error, "spf_exchangers", name, "mx in the SPF record of %s stands for %d exchangers; receivers stop at more than %d.", domain, len(found), spfExchangers).Fix = "Name addresses in its place."
		}
	}
}

// count notes an answer that holds nothing, and a question without an answer.
func (w *spfWalk) count(name string, err error) {
	switch {
	case err == nil:
	case missing(err):
		w.void++
	case !w.unknown:
		w.unknown = true
		w.f.unlearned("spf_unknown", name, err)
	}
}

// include follows the record of another domain.
func (w *spfWalk) include(ctx context.Context, domain, name string, t spfTerm, above []string) {
	f := &w.f
	if slices.Contains(above, name) {
		if !w.loops {
			w.loops = true
			f.add(Error, "spf_loop", domain, "The SPF record of %s comes back to itself: %s.", w.e.ReturnPath, strings.Join(append(above, name), " → ")).Fix = "Take the last step out."
		}
		return
	}
	texts, err := w.e.dns.TXT(ctx, name)
	w.count(name, err)
	if err != nil && !missing(err) {
		return
	}
	texts = slices.DeleteFunc(texts, func(t string) bool { return !isSPF(t) })
	if len(texts) != 1 {
		f.add(Error, "spf_include_broken", name, "The SPF record of %s names %s (%s), which has %d SPF records in place of one; receivers take that for broken.", domain, name, t.name, len(texts)).
			Fix = "Take it out, or correct the name."
		return
	}
	w.walk(ctx, name, texts[0], above)
}
