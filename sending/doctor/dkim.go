package doctor

import (
	"context"
	"crypto/ed25519"
	"crypto/rsa"
	"crypto/x509"
	"encoding/base64"
	"errors"
	"fmt"
	"slices"
	"strings"
)

// The shortest keys that receivers take (RFC 8301) and that are of today.
const (
	rsaLeast = 1024
	rsaGood  = 2048
)

// publishedKey is what a DKIM key record says (RFC 6376 section 3.6.1).
type publishedKey struct {
	kind    string // rsa, ed25519, or what receivers do not know
	bits    int    // of an RSA key
	public  string // p=, without spaces
	revoked bool
	testing bool
	strict  bool     // t=s
	hashes  []string // nil: all
	service []string // nil: all
}

// parseKey reads a DKIM key record.
func parseKey(text string) (publishedKey, error) {
	k := publishedKey{kind: "rsa"}
	list, err := parseTags(text)
	if err != nil {
		return k, err
	}
	if v, ok := list.get("v"); ok && (v != "DKIM1" || list[0].name != "v") {
		return k, errors.New("v=DKIM1 must stand first, or be left out")
	}
	if kind, ok := list.get("k"); ok {
		k.kind = kind
	}
	if h, ok := list.get("h"); ok {
		k.hashes = splitValue(h, ":")
	}
	if s, ok := list.get("s"); ok {
		k.service = splitValue(s, ":")
	}
	flags, _ := list.get("t")
	for _, flag := range splitValue(flags, ":") {
		k.testing = k.testing || flag == "y"
		k.strict = k.strict || flag == "s"
	}
	p, ok := list.get("p")
	if !ok {
		return k, errors.New("it has no p=, the key itself")
	}
	k.public = strings.Join(strings.Fields(p), "")
	if k.public == "" {
		k.revoked = true
		return k, nil
	}
	der, err := base64.StdEncoding.DecodeString(k.public)
	if err != nil {
		return k, errors.New("p= is not base64; was it cut off?")
	}
	switch k.kind {
	case "rsa":
		k.bits, err = rsaBits(der)
		return k, err
	case "ed25519":
		if len(der) != ed25519.PublicKeySize {
			return k, fmt.Errorf("an Ed25519 key has %d bytes, this one %d", ed25519.PublicKeySize, len(der))
		}
	}
	return k, nil
}

// rsaBits is the length of an RSA key, as RFC 6376 has it or bare (errata 3017).
func rsaBits(der []byte) (int, error) {
	if key, err := x509.ParsePKIXPublicKey(der); err == nil {
		if key, ok := key.(*rsa.PublicKey); ok {
			return key.N.BitLen(), nil
		}
		return 0, errors.New("the key in p= is not an RSA key")
	}
	key, err := x509.ParsePKCS1PublicKey(der)
	if err != nil {
		return 0, errors.New("p= holds no RSA key; was it cut off?")
	}
	return key.N.BitLen(), nil
}

// dkim are the checks of the keys.
func (e *examination) dkim() []func(context.Context) []Finding {
	if len(e.Keys) == 0 {
		return []func(context.Context) []Finding{func(context.Context) []Finding {
			f := &findings{check: "dkim"}
			f.add(Info, "dkim_not_looked_at", e.Domain, "No DKIM selector is known, and DNS lists none.").Fix = "Name the selectors with --dkim. Large mailbox providers refuse mass mail without DKIM."
			return f.all
		}}
	}
	var parts []func(context.Context) []Finding
	for _, key := range e.Keys {
		parts = append(parts, func(ctx context.Context) []Finding { return e.dkimKey(ctx, key) })
	}
	return parts
}

// record is what must be published for the key; nil when only its selector is known.
func (k Key) record() *Record {
	if k.Public == "" {
		return nil
	}
	kind := k.Type
	if kind == "" {
		kind = "rsa"
	}
	return &Record{k.name(), "TXT", "v=DKIM1; k=" + kind + "; p=" + k.Public}
}

func (k Key) name() string { return k.Selector + "._domainkey." + k.Domain }

// dkimKey examines what is published for one key.
func (e *examination) dkimKey(ctx context.Context, key Key) []Finding {
	f, name := &findings{check: "dkim"}, key.name()
	texts, err := e.dns.TXT(ctx, name)
	if err != nil && !missing(err) {
		f.unlearned("dkim_unknown", "TXT "+name, err)
		return f.all
	}
	publish := "Publish the key of this selector."
	if key.Public != "" {
		publish = "Publish it as it stands below."
	}
	if len(texts) == 0 {
		x := f.add(Error, "dkim_missing", name, "There is no key at %s.", name)
		x.Fix, x.Record = publish, key.record()
		return f.all
	}
	if to, err := e.dns.Alias(ctx, name); err == nil && !strings.EqualFold(to, name) {
		f.add(Info, "dkim_cname", name, "%s is an alias (CNAME) of %s: whoever keeps that keeps the key.", name, to)
	}
	if len(texts) > 1 {
		x := f.add(Error, "dkim_several", name, "%s has %d TXT records; receivers take any of them.", name, len(texts))
		x.Fix, x.Record = "Leave one.", key.record()
		return f.all
	}
	k, err := parseKey(texts[0])
	if err != nil {
		x := f.add(Error, "dkim_syntax", name, "The key at %s is not understood: %v. It reads %s.", name, err, quote(texts[0]))
		x.Fix, x.Record = publish, key.record()
		return f.all
	}
	f.judgeKey(key, k, publish)
	if !slices.ContainsFunc(f.all, func(x Finding) bool { return x.Severity == Error }) {
		what := "is published"
		if key.Public != "" {
			what = "is published and is the one that signs"
		}
		f.add(OK, "dkim_ok", name, "The %s key at %s %s.", k.kind, name, what)
	}
	return f.all
}

// judgeKey says what is wrong with a key that was understood.
func (f *findings) judgeKey(key Key, k publishedKey, publish string) {
	name := key.name()
	if k.revoked {
		x := f.add(Error, "dkim_revoked", name, "The key at %s is revoked (p= is empty): what it signed is distrusted.", name)
		x.Fix, x.Record = publish, key.record()
		return
	}
	switch {
	case k.kind != "rsa" && k.kind != "ed25519":
		f.add(Error, "dkim_type", name, "The key at %s is of the type %s, which receivers do not know.", name, quote(k.kind)).Fix = "Use rsa, or ed25519 beside it."
	case k.kind == "rsa" && k.bits < rsaLeast:
		f.add(Error, "dkim_short", name, "The RSA key at %s has %d bits; receivers ignore keys of less than %d.", name, k.bits, rsaLeast).Fix = "Make a new key of 2048 bits under a new selector."
	case k.kind == "rsa" && k.bits < rsaGood:
		f.add(Warning, "dkim_weak", name, "The RSA key at %s has %d bits; %d are usual today.", name, k.bits, rsaGood).Fix = "Make a new key of 2048 bits under a new selector."
	}
	if k.hashes != nil && !slices.Contains(k.hashes, "sha256") {
		f.add(Error, "dkim_hash", name, "The key at %s forbids SHA-256 (h=), the only hash that receivers take.", name).Fix = "Take h= out of the record."
	}
	if k.service != nil && !slices.Contains(k.service, "email") && !slices.Contains(k.service, "*") {
		f.add(Error, "dkim_service", name, "The key at %s is not for mail (s=).", name).Fix = "Take s= out of the record."
	}
	if k.testing {
		f.add(Warning, "dkim_testing", name, "The key at %s says that it is only being tried (t=y): receivers may treat signed mail as if it were not.", name).Fix = "Take t=y out of the record."
	}
	wrong := key.Public != "" && strings.Join(strings.Fields(key.Public), "") != k.public
	if wrong || key.Type != "" && key.Type != k.kind {
		x := f.add(Error, "dkim_mismatch", name, "The key at %s is not the one that signs: every signature fails.", name)
		x.Fix, x.Record = publish, key.record()
	}
}
