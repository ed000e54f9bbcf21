package doctor

import (
	"context"
	"net/netip"
	"slices"
	"strconv"
	"strings"
)

// ptr examines whether an egress address has a name that leads back to it,
// which large receivers ask for.
func (e *examination) ptr(ctx context.Context, ip netip.Addr) []Finding {
	f, about := &findings{check: "ptr"}, ip.String()
	names, err := e.dns.PTR(ctx, ip)
	switch {
	case missing(err):
		f.add(Error, "ptr_missing", about, "%s has no name (PTR record). Large mailbox providers refuse mail from such addresses.", ip).
			Fix = "Let whoever gave you the address set its reverse name to the relay's host name."
		return f.all
	case err != nil:
		f.unlearned("ptr_unknown", about, err)
		return f.all
	}
	names = names[:min(len(names), mostHosts)]
	unsure := error(nil)
	for _, name := range names {
		back, err := e.dns.Host(ctx, name)
		if err != nil && !missing(err) {
			unsure = err
		}
		if !slices.Contains(back, ip) {
			continue
		}
		f.add(OK, "ptr_ok", about, "%s is %s, whose address it is.", ip, name)
		if generic(ip, name) {
			f.add(Warning, "ptr_generic", about, "The name of %s, %s, looks like that of any customer's address; some receivers refuse those.", ip, name).
				Fix = "Let whoever gave you the address set its reverse name to one in a domain of yours."
		}
		return f.all
	}
	if unsure != nil {
		f.unlearned("ptr_unknown", about, unsure)
		return f.all
	}
	f.add(Error, "ptr_unconfirmed", about, "%s is called %s, but that name does not lead back to it: receivers do not believe it.", ip, sorted(names)).
		Fix = "Give the name an A or AAAA record with this address, or the address another name."
	return f.all
}

// generic tells whether a name was made of the address, as access providers make them.
func generic(ip netip.Addr, name string) bool {
	if !ip.Is4() {
		return false
	}
	var numbers []string
	for _, b := range ip.AsSlice() {
		numbers = append(numbers, strconv.Itoa(int(b)))
	}
	forward := strings.Join(numbers, "-")
	slices.Reverse(numbers)
	name = "-" + strings.ReplaceAll(strings.ReplaceAll(name, ".", "-"), "_", "-") + "-"
	return strings.Contains(name, "-"+forward+"-") || strings.Contains(name, "-"+strings.Join(numbers, "-")+"-")
}

// sorted joins names in an order that does not depend on who answered first.
func sorted(names []string) string {
	names = slices.Sorted(slices.Values(names))
	if len(names) > mostHosts {
		return strings.Join(names[:mostHosts], ", ") + " and others"
	}
	return strings.Join(names, ", ")
}
