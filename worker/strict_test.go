package worker_test

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"facteur/campaign"
	"facteur/internal/database"
	"facteur/internal/database/databasetest"
	"facteur/internal/services/servicestest"
	"facteur/preflight/inspect"
	"facteur/sending"
	"facteur/subscribers"

	"github.com/emersion/go-message"
)

// odd are texts that break what is composed carelessly.
var odd = []string{
	"Zoë", "名前", "👩‍👩‍👧‍👦 🎉", "O'Brien \"Q\" <q@example.org>", "a,b;c:d", "(comment)", "=?utf-8?q?no?=", "\r\nBcc: eve@example.net", "\u2028line\u2029end", "\u202eevil\u202c",
	"%s%n", ".", "..", "--=_x", "</td></table><script>x</script>", "{{ name }}", "&amp;&lt;", strings.Repeat("x", 1200), strings.Repeat("é", 700), "\u0000\u0007", "\ufeff", "tab\there", "  ",
}

const readStrictly = `import sys, email, email.policy
strict = email.policy.SMTP.clone(raise_on_defect=True)
for name in sys.argv[1:]:
    try:
        m = email.message_from_bytes(open(name, "rb").read(), policy=strict)
        for part in m.walk():
            for header, value in part.items():
                str(value)
                if getattr(value, "defects", None): raise ValueError("%s: %s" % (header, value.defects))
            if part.defects: raise ValueError(str(part.defects))
            if not part.is_multipart(): part.get_content()
        assert len(m["From"].addresses) == 1 and len(m["To"].addresses) == 1, "one sender, one recipient"
        assert len(m.get_all("Subject")) == 1
    except Exception as e:
        print(name, type(e).__name__, e)
`

// Whatever a person's values are, strict readers find a mail without fault.
func TestCompose_StrictReadersAcceptEveryMail(t *testing.T) {
	spamd := servicestest.Spamd(t).Addr()
	servicestest.DKIM(t, nil) // has Python
	e := start(t, databasetest.New(t))
	ctx := context.Background()
	var sender sending.Sender
	e.write(func(ctx context.Context, tx *database.Tx) error {
		r, err := e.senders.CreateRelay(ctx, tx, sending.Relay{Name: "r", Host: "127.0.0.1", Port: 25, Security: "none", MaxConnections: 1}, nil)
		if err != nil {
			return err
		}
		if _, err := e.senders.CreateDomain(ctx, tx, sending.Domain{Name: "bücher.example", Warmup: "none", DKIM: true}); err != nil {
			return err
		}
		sender, err = e.senders.CreateSender(ctx, tx, sending.Sender{FromEmail: "lettre@bücher.example", FromName: "Bücher & Söhne, « Lettre »", ReplyTo: "answer@bücher.example", PostalAddress: "1 rue de la Poste\n69001 Lyon", RelayIDs: []int64{r.ID}})
		return err
	})
	c := campaign.Campaign{
		ID: 1, Version: 1, Name: "May", Subject: "{{ attributes.word }} — le 1ᵉʳ mai 🎉 für {{ name }}", SenderID: sender.ID, ListIDs: []int64{e.list("all")},
		HTML: `<html lang="fr"><head><title>Mai</title></head><body><p>Bonjour {{ name }}, {{ attributes.word }}.</p>{% for w in attributes.words %}<p title="{{ w }}">{{ w }}</p>{% endfor %}</body></html>`,
	}
	folder := t.TempDir()
	var files []string
	r := rand.New(rand.NewPCG(1, 2))
	for i := range 100 {
		words := []string{odd[r.IntN(len(odd))], odd[r.IntN(len(odd))], fmt.Sprint(r.Uint64())}
		attributes, err := json.Marshal(map[string]any{"word": odd[i%len(odd)], "words": words})
		if err != nil {
			t.Fatal(err)
		}
		raw, _, _, err := e.composer.Sample(ctx, c, subscribers.Subscriber{ID: int64(i), Email: fmt.Sprintf("person%d@example.org", i), Name: odd[(i*7)%len(odd)], Attributes: string(attributes)})
		if err != nil {
			t.Fatal(err)
		}
		checkLines(t, raw)
		if m, err := message.Read(bytes.NewReader(raw)); err != nil {
			t.Errorf("go-message: %v", err)
		} else if err := m.Walk(func(_ []int, part *message.Entity, err error) error {
			if err == nil && part.MultipartReader() == nil {
				_, err = io.Copy(io.Discard, part.Body)
			}
			return err
		}); err != nil {
			t.Errorf("go-message: %v", err)
		}
		if i < 10 {
			opinion, err := inspect.Spamd{Addr: spamd}.Ask(ctx, raw)
			if err != nil {
				t.Fatal(err)
			}
			for _, rule := range opinion.Rules {
				if strings.Contains(rule.Name, "MIME_") && !strings.HasPrefix(rule.Name, "MIME_HTML") || strings.Contains(rule.Name, "MALFORMED") || strings.HasPrefix(rule.Name, "MISSING_") || strings.Contains(rule.Name, "BAD_ENC") || strings.Contains(rule.Name, "ILLEGAL") {
					t.Errorf("SpamAssassin: %s %s", rule.Name, rule.Description)
				}
			}
		}
		name := filepath.Join(folder, fmt.Sprintf("%d.eml", i))
		if err := os.WriteFile(name, raw, 0o600); err != nil {
			t.Fatal(err)
		}
		files = append(files, name)
	}
	script := filepath.Join(folder, "read.py")
	if err := os.WriteFile(script, []byte(readStrictly), 0o600); err != nil {
		t.Fatal(err)
	}
	out, err := exec.Command("/usr/bin/python3", append([]string{script}, files...)...).CombinedOutput() // #nosec G204 -- a test's own script
	var failed *exec.ExitError
	if err != nil && !errors.As(err, &failed) {
		t.Fatal(err)
	}
	if len(out) > 0 {
		t.Errorf("Python: %.3000s", out)
	}
}

// checkLines holds a message to RFC 5322 section 2.1.1 and 2.3.
func checkLines(t *testing.T, raw []byte) {
	t.Helper()
	for _, line := range bytes.Split(raw, []byte("\r\n")) {
		if len(line) > 998 || bytes.ContainsAny(line, "\r\n\x00") {
			t.Errorf("a line of %d: %.80q", len(line), line)
		}
		for _, b := range line {
			if b >= 0x80 {
				t.Errorf("8-bit: %.80q", line)
				break
			}
		}
	}
}
