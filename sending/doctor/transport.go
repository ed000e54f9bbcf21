package doctor

import (
	"context"
	"strings"
)

// transport looks for MTA-STS and TLS-RPT, by which others are told to encrypt
// what they send to the From domain: replies. It changes nothing about what we
// send, so a lack is no fault.
func (e *examination) transport(ctx context.Context) []Finding {
	f := &findings{check: "transport"}
	e.policy(ctx, f, "_mta-sts."+e.Domain, "v=STSv1", "id", "mta_sts", "MTA-STS (RFC 8461)",
		"If you like: serve a policy at https://mta-sts."+e.Domain+"/.well-known/mta-sts.txt, then publish the record.",
		"v=STSv1; id="+e.opt.Now().UTC().Format("20060102150405"))
	e.policy(ctx, f, "_smtp._tls."+e.Domain, "v=TLSRPTv1", "rua", "tls_rpt", "TLS-RPT (RFC 8460)",
		"If you like: publish the record, to be told when encryption of mail to you fails.",
		"v=TLSRPTv1; rua=mailto:tls@"+e.Domain)
	return f.all
}

// policy looks for one such record.
func (e *examination) policy(ctx context.Context, f *findings, name, version, wanted, code, title, fix, value string) {
	texts, err := e.dns.TXT(ctx, name)
	if err != nil && !missing(err) {
		f.unlearned(code+"_unknown", "TXT "+name, err)
		return
	}
	var found []string
	for _, t := range texts {
		if strings.HasPrefix(t, version) {
			found = append(found, t)
		}
	}
	if len(found) == 0 {
		x := f.add(Info, code+"_missing", name, "%s has no record for %s.", name, title)
		x.Fix, x.Record = fix, &Record{name, "TXT", value}
		return
	}
	list, err := parseTags(found[0])
	if v, _ := list.get(wanted); err != nil || len(found) > 1 || v == "" {
		x := f.add(Warning, code+"_syntax", name, "The record for %s at %s is not understood, or there are several: %s.", title, name, quote(found[0]))
		x.Fix, x.Record = "Leave one, of this form.", &Record{name, "TXT", value}
		return
	}
	f.add(OK, code+"_ok", name, "%s has a record for %s.", name, title)
}
