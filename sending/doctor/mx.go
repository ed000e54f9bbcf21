package doctor

import (
	"context"
	"errors"
	"strings"
	"sync"

	"facteur/internal/address"
	"facteur/internal/panics"
)

// mx examines whether the From domain can receive replies.
func (e *examination) mx(ctx context.Context) []Finding {
	f := &findings{check: "mx"}
	e.receives(ctx, f, e.Domain, "mx_", "replies cannot reach you, and some receivers refuse mail from such a domain")
	return f.all
}

// returnPath examines whether bounces can come back.
func (e *examination) returnPath(ctx context.Context) []Finding {
	f := &findings{check: "return_path"}
	if strings.EqualFold(e.ReturnPath, e.Domain) {
		return nil // the same answers
	}
	e.receives(ctx, f, e.ReturnPath, "return_path_", "bounces cannot come back, and many receivers refuse such an envelope sender")
	return f.all
}

// receives examines the exchangers of a domain; its codes begin with prefix.
func (e *examination) receives(ctx context.Context, f *findings, domain, prefix, consequence string) {
	what := "the host that takes its mail"
	found, err := e.dns.MX(ctx, domain)
	switch {
	case errors.Is(err, address.ErrNullMX):
		f.add(Error, prefix+"null", domain, "%s says that it takes no mail (null MX): %s.", domain, consequence).Fix = "Publish an MX record with " + what + "."
		return
	case missing(err):
		e.implicit(ctx, f, domain, prefix, consequence)
		return
	case err != nil:
		f.unlearned(prefix+"unknown", "MX "+domain, err)
		return
	}
	names := make([]string, len(found))
	var dead, unsure []string
	var lock sync.Mutex
	var all panics.Group
	for i, mx := range found {
		names[i] = mx.Host
		if i >= mostHosts {
			continue
		}
		all.Go(func() {
			_, err := e.dns.Host(ctx, mx.Host)
			lock.Lock()
			defer lock.Unlock()
			switch {
			case missing(err):
				dead = append(dead, mx.Host)
			case err != nil:
				unsure = append(unsure, mx.Host)
			}
		})
	}
	all.Wait()
	list := sorted(names)
	looked := min(len(found), mostHosts)
	switch {
	case len(dead) == looked:
		f.add(Error, prefix+"unresolved", domain, "No exchanger of %s has an address (%s): %s.", domain, list, consequence).Fix = "Give the exchanger an A or AAAA record, or correct the MX record."
		return
	case len(dead)+len(unsure) == looked:
		f.add(Warning, prefix+"unknown", domain, "The addresses of the exchangers of %s (%s) could not be learned.", domain, list).Fix = "Ask again in a while."
		return
	case len(dead) > 0:
		f.add(Warning, prefix+"unresolved", domain, "Some exchangers of %s have no address: %s.", domain, sorted(dead)).Fix = "Take them out of the MX records, or give them addresses."
	}
	f.add(OK, prefix+"ok", domain, "Mail for %s goes to %s.", domain, list)
}

// implicit is a domain without MX, to whose own address mail then goes.
func (e *examination) implicit(ctx context.Context, f *findings, domain, prefix, consequence string) {
	_, err := e.dns.Host(ctx, domain)
	switch {
	case err == nil:
		f.add(Warning, prefix+"implicit", domain, "%s has no MX record; mail for it goes to its own address.", domain).Fix = "Publish an MX record, so that it is seen to be meant."
	case missing(err):
		f.add(Error, prefix+"missing", domain, "%s has no MX record and no address: %s.", domain, consequence).Fix = "Publish an MX record with the host that takes its mail."
	default:
		f.unlearned(prefix+"unknown", "the address of "+domain, err)
	}
}
