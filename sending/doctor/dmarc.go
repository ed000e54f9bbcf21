package doctor

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strconv"
	"strings"
)

// dmarcRecord is a DMARC record with its defaults (RFC 7489 section 6.3).
type dmarcRecord struct {
	policy, subdomains string   // none, quarantine, reject; subdomains "" as policy
	dkim, spf          string   // r or s
	reports            []string // rua
}

// strength orders policies.
func strength(policy string) int {
	return slices.Index([]string{"none", "quarantine", "reject"}, policy)
}

// isDMARC tells whether a text is a DMARC record: others at the name are passed over.
func isDMARC(text string) bool {
	name, rest, _ := strings.Cut(text, "=")
	version, _, _ := strings.Cut(rest, ";")
	return strings.TrimSpace(name) == "v" && strings.TrimSpace(version) == "DMARC1"
}

// parseDMARC reads a record for which isDMARC holds.
func parseDMARC(text string) (dmarcRecord, error) {
	r := dmarcRecord{dkim: "r", spf: "r"}
	list, err := parseTags(text)
	if err != nil {
		return r, err
	}
	if _, ok := list.get("p"); !ok {
		return r, errors.New("it has no p=, the policy")
	}
	for _, f := range []struct {
		tag   string
		to    *string
		known []string
	}{
		{"p", &r.policy, []string{"none", "quarantine", "reject"}},
		{"sp", &r.subdomains, []string{"none", "quarantine", "reject"}},
		{"adkim", &r.dkim, []string{"r", "s"}},
		{"aspf", &r.spf, []string{"r", "s"}},
	} {
		value, ok := list.get(f.tag)
		if !ok {
			continue
		}
		if *f.to = strings.ToLower(strings.TrimSpace(value)); !slices.Contains(f.known, *f.to) {
			return r, fmt.Errorf("%s=%s: want one of %s", f.tag, quote(value), strings.Join(f.known, ", "))
		}
	}
	if pct, ok := list.get("pct"); ok {
		if n, err := strconv.Atoi(pct); err != nil || n < 0 || n > 100 {
			return r, fmt.Errorf("pct=%s: want 0 to 100", quote(pct))
		}
	}
	rua, _ := list.get("rua")
	for _, uri := range splitValue(rua, ",") {
		if scheme, rest, ok := strings.Cut(uri, ":"); !ok || strings.EqualFold(scheme, "mailto") && !strings.Contains(rest, "@") {
			return r, fmt.Errorf("rua=%s: want mailto: and an address", quote(uri))
		}
		r.reports = append(r.reports, uri)
	}
	return r, nil
}

// dmarc examines the record that holds for the From domain, and whether what
// is signed and the envelope stand for the same owner.
func (e *examination) dmarc(ctx context.Context) []Finding {
	f := &findings{check: "dmarc"}
	org := organisation(e.Domain)
	at := e.Domain
	text, found := e.dmarcAt(ctx, f, at)
	if !found && len(f.all) == 0 && org != strings.ToLower(at) {
		at = org
		text, found = e.dmarcAt(ctx, f, at)
	}
	r := dmarcRecord{dkim: "r", spf: "r"}
	suggested := &Record{"_dmarc." + at, "TXT", "v=DMARC1; p=none; rua=mailto:dmarc@" + org}
	switch {
	case len(f.all) > 0:
		return f.all
	case !found:
		x := f.add(Error, "dmarc_missing", e.Domain, "Neither %s nor the domain it belongs to has a DMARC record. Large mailbox providers refuse mass mail without one.", e.Domain)
		x.Fix, x.Record = "Publish one; raise p to quarantine and reject once the reports are clean.", suggested
	default:
		var err error
		if r, err = parseDMARC(text); err != nil {
			x := f.add(Error, "dmarc_syntax", "_dmarc."+at, "The DMARC record at _dmarc.%s is not understood: %v. It reads %s.", at, err, quote(text))
			x.Fix, x.Record = "Mend it; this one would do to begin with.", suggested
			return f.all
		}
		e.dmarcPolicy(f, r, at)
		e.dmarcReports(ctx, f, r, at)
	}
	e.alignment(f, r)
	return f.all
}

// dmarcAt finds the one record at a domain.
func (e *examination) dmarcAt(ctx context.Context, f *findings, domain string) (text string, found bool) {
	name := "_dmarc." + domain
	texts, err := e.dns.TXT(ctx, name)
	if err != nil && !missing(err) {
		f.unlearned("dmarc_unknown", "TXT "+name, err)
		return "", false
	}
	var records, almost []string
	for _, t := range texts {
		switch {
		case isDMARC(t):
			records = append(records, t)
		case strings.Contains(strings.ToLower(t), "dmarc1"):
			almost = append(almost, t)
		}
	}
	switch {
	case len(records) > 1:
		f.add(Error, "dmarc_several", name, "%s has %d DMARC records; receivers then act on none.", name, len(records)).Fix = "Leave one."
	case len(records) == 0 && len(almost) > 0:
		f.add(Error, "dmarc_syntax", name, "%s has a record that receivers do not read as DMARC: %s.", name, quote(almost[0])).Fix = "It must begin with v=DMARC1; in capitals, without quotes around."
	case len(records) == 1:
		return records[0], true
	}
	return "", false
}

// dmarcPolicy says what the record asks of receivers.
func (e *examination) dmarcPolicy(f *findings, r dmarcRecord, at string) {
	name, policy := "_dmarc."+at, r.policy
	if at != strings.ToLower(e.Domain) && r.subdomains != "" {
		policy = r.subdomains
		if strength(policy) < strength(r.policy) {
			f.add(Warning, "dmarc_sp_weaker", name, "%s asks for %s, but for its sub-domains, such as %s, only for %s (sp=): others can send in your name.", name, r.policy, e.Domain, policy).
				Fix = "Take sp= out, or give " + e.Domain + " a record of its own."
		}
	}
	if policy == "none" {
		f.add(Info, "dmarc_p_none", name, "The policy of %s for %s is none: receivers let forgeries through.", name, e.Domain).Fix = "Raise it to quarantine and then to reject once the reports show nothing of yours that fails."
	}
	f.add(OK, "dmarc_ok", name, "%s has a DMARC record that holds for %s, with the policy %s.", name, e.Domain, policy)
}

// dmarcReports looks whether anybody is told, and may be.
func (e *examination) dmarcReports(ctx context.Context, f *findings, r dmarcRecord, at string) {
	if len(r.reports) == 0 {
		f.add(Warning, "dmarc_rua_missing", "_dmarc."+at, "The DMARC record at _dmarc.%s asks for no reports, so you do not learn what fails.", at).Fix = "Add rua=mailto: and an address of yours."
	}
	for _, uri := range r.reports[:min(len(r.reports), 5)] {
		_, mailbox, _ := strings.Cut(uri, ":")
		mailbox, _, _ = strings.Cut(mailbox, "!") // a limit of size
		_, host, ok := strings.Cut(mailbox, "@")
		if host = strings.ToLower(host); !ok || organisation(host) == organisation(at) {
			continue
		}
		if !domainName.MatchString(host) || len(host) > 150 {
			f.add(Warning, "dmarc_rua_refused", "_dmarc."+at, "Reports are to go to %s, which is no address.", quote(uri)).Fix = "Name an address in your own domain."
			continue
		}
		name := at + "._report._dmarc." + host
		texts, err := e.dns.TXT(ctx, name)
		switch {
		case err != nil && !missing(err):
			f.unlearned("dmarc_rua_unknown", "TXT "+name, err)
		case !slices.ContainsFunc(texts, isDMARC):
			x := f.add(Warning, "dmarc_rua_refused", name, "Reports go to another domain, %s, which does not say that it takes them: none will come.", host)
			x.Fix = "Let its owner publish this, or name an address in your own domain."
			x.Record = &Record{name, "TXT", "v=DMARC1"}
		}
	}
}

// alignment tells whether DMARC can pass: a signature or the envelope must be of
// the From domain (strict), or of one with the same owner (relaxed).
func (e *examination) alignment(f *findings, r dmarcRecord) {
	envelope := aligned(e.Domain, e.ReturnPath, r.spf)
	signed := 0
	for _, k := range e.Keys {
		if aligned(e.Domain, k.Domain, r.dkim) {
			signed++
			continue
		}
		f.add(Warning, "dmarc_dkim_unaligned", k.name(), "Signatures are of %s, which does not count for mail from %s (adkim=%s).", k.Domain, e.Domain, r.dkim).Fix = "Sign with d=" + e.Domain + "."
	}
	if !envelope {
		f.add(Warning, "dmarc_envelope_unaligned", e.ReturnPath, "The envelope is of %s, which does not count for mail from %s (aspf=%s): SPF does not help DMARC.", e.ReturnPath, e.Domain, r.spf).
			Fix = "Use a return path in " + organisation(e.Domain) + ", or see to it that DKIM signs with d=" + e.Domain + "."
	}
	if !envelope && signed == 0 && len(e.Keys) > 0 {
		f.add(Error, "dmarc_unaligned", e.Domain, "Neither the envelope nor any signature is of %s: DMARC fails for every mail.", e.Domain).Fix = "Sign with d=" + e.Domain + ", or use a return path in " + organisation(e.Domain) + "."
	}
}

// aligned compares domains as the mode wants it.
func aligned(from, other, mode string) bool {
	if strings.EqualFold(from, other) {
		return true
	}
	return mode == "r" && organisation(from) == organisation(other)
}
