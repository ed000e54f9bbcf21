package inspect

import (
	"fmt"
	"net/url"
	"regexp"
	"strings"

	"golang.org/x/net/html/atom"
	"golang.org/x/net/publicsuffix"
)

// links looks at where the mail leads.
func (i *inspection) links() {
	if i.page == nil {
		if i.text != nil {
			for _, address := range webAddress.FindAllString(i.text.text, 1000) {
				address = strings.TrimRight(address, ".,;:!?)]}»'\"")
				i.address(address, "text: "+excerpt(address))
			}
		}
		return
	}
	anchors := i.page.anchors()
	for _, e := range i.page.all(atom.A, atom.Area) {
		raw, said := e.has("href")
		if !said {
			continue
		}
		href := browserAddress(raw)
		switch scheme, _, _ := strings.Cut(strings.ToLower(href), ":"); {
		case leftoverLinks.MatchString(href): // said by others
		case scheme == "javascript" || scheme == "vbscript" || scheme == "data" || scheme == "file":
			i.add("link_script", Error, "a link has a "+scheme+": address", e.where())
		case strings.HasPrefix(href, "#") && anchors[href[1:]]:
		case href == "" || strings.HasPrefix(href, "#"):
			i.add("link_empty", Warning, "a link leads nowhere", e.where())
		case !strings.Contains(href, ":") && !strings.HasPrefix(href, "//"):
			i.add("link_empty", Warning, "a link leads nowhere: it is no full address", e.where())
		default:
			i.address(href, e.where())
			i.mismatch(href, e)
		}
	}
	for _, e := range i.page.all(atom.Img) {
		if src := browserAddress(e.attr("src")); strings.HasPrefix(strings.ToLower(src), "http://") && !i.ours(src) {
			i.add("link_http", Warning, "an address is plain http", e.where())
		}
	}
}

// browserAddress is an address as browsers read it: they drop controls.
func browserAddress(s string) string {
	return strings.Map(func(r rune) rune {
		if r == '\t' || r == '\n' || r == '\r' {
			return -1
		}
		return r
	}, strings.TrimFunc(s, func(r rune) bool { return r <= ' ' }))
}

// anchors are the places in the mail that a link can jump to.
func (p *page) anchors() map[string]bool {
	all := map[string]bool{}
	for _, e := range p.elements {
		for _, name := range []string{e.attr("id"), e.attr("name")} {
			if name != "" {
				all[name] = true
			}
		}
	}
	return all
}

// address looks at one web address.
func (i *inspection) address(href, where string) {
	if i.ours(href) {
		return
	}
	u, err := url.Parse(href)
	if err != nil || u.Scheme != "" && u.Scheme != "http" && u.Scheme != "https" {
		if err != nil {
			i.add("link_empty", Warning, "a link leads nowhere: its address cannot be read", where)
		}
		return
	}
	host := u.Hostname()
	if host == "" {
		i.add("link_empty", Warning, "a link leads nowhere: its address has no host", where)
		return
	}
	if u.Scheme == "http" {
		i.add("link_http", Warning, "an address is plain http", where)
	}
	if u.User != nil {
		i.add("link_credentials", Warning, "a link has a name before its host", where)
	}
	switch {
	case isIP(host):
		i.add("link_ip", Warning, "a link leads to a number instead of a name", where)
	case shorteners().host(host) && strings.Trim(u.Path, "/") != "":
		i.add("link_shortener", Warning, "a link hides its target behind a shortener", where)
	case fileSharing().host(host):
		i.add("link_file_sharing", Warning, "a link leads to a file-sharing host", where)
	}
}

var (
	// shownAddress is an address within a text; bareHost one that is all of it.
	shownAddress = regexp.MustCompile(`(?i)(?:\bhttps?://|\bwww\.)[\pL\d.-]+`)
	bareHost     = regexp.MustCompile(`(?i)^(?:[\pL\d](?:[\pL\d-]*[\pL\d])?\.)+\pL{2,}(?:[/?#]\S*)?$`)
)

// mismatch compares the address that a link shows with the one it has.
func (i *inspection) mismatch(href string, e *element) {
	u, err := url.Parse(href)
	if err != nil || u.Hostname() == "" || i.ours(href) {
		return
	}
	shown := strings.Trim(i.page.textOf(e), " .,;:!?()[]<>«»“”\"'\u00a0\u200b")
	var hosts []string
	for _, a := range shownAddress.FindAllString(shown, 5) {
		_, host, found := strings.Cut(a, "://")
		if !found {
			host = a
		}
		hosts = append(hosts, host)
	}
	if len(hosts) == 0 && bareHost.MatchString(shown) {
		host, _, _ := strings.Cut(shown, "/")
		if host, _, _ = strings.Cut(host, "?"); icann(host) {
			hosts = append(hosts, host)
		}
	}
	for _, host := range hosts {
		said, real := organisation(host), organisation(u.Hostname())
		if said != "" && said != real {
			i.add("link_mismatch", Warning, "a link shows another address than it leads to, as phishing does",
				fmt.Sprintf("%s shows %s", e.where(), excerpt(host)))
			return
		}
	}
}

// icann tells whether a host ends as registries have it: readme.md does too,
// so that endings which are those of files count for none.
func icann(host string) bool {
	ending := strings.ToLower(host[strings.LastIndexByte(host, '.')+1:])
	switch ending {
	case "md", "py", "sh", "rs", "zip", "mov", "ps", "so":
		return false
	}
	_, known := publicsuffix.PublicSuffix(strings.ToLower(host))
	return known
}
