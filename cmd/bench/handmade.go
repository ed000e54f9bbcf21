package main

import (
	"bufio"
	"bytes"
	"crypto"
	"crypto/rand"
	"crypto/rsa"
	"crypto/sha256"
	"encoding/base64"
	"fmt"
	"html/template"
	"mime/quotedprintable"
	"net"
	"strings"
	"sync"
	"sync/atomic"
	"time"
)

// The senders made by hand. They keep no books: after a crash nobody knows who
// got what. All pipeline the next envelope behind each body.
const (
	ready  = "ready bytes"         // one message, made before: the floor of the dialogue
	byHand = "by hand"             // html/template and the standard quoted-printable writer
	signed = "by hand, RSA signed" // the same, with a signature of RSA-2048 over hashes of header and body
)

// handmade is the sender one writes by hand for speed: the measure for what accounting costs.
func handmade(what, addr string, n, connections int) error {
	h := &hand{addr: addr, n: int64(n)}
	for _, part := range []struct {
		to   **template.Template
		text string
	}{{&h.page, letter()}, {&h.text, letterText}} {
		made, err := template.New("mail").Parse(strings.NewReplacer(
			`{{ name }}`, `{{.Name}}`, `{{ attributes.city | default: "your town" }}`, `{{if .City}}{{.City}}{{else}}your town{{end}}`,
			`{{ attributes.offer }}`, `{{.Offer}}`, `{{ unsubscribe_url }}`, `{{.Leave}}`, `{{ postal_address }}`, `{{.Address}}`,
			`{% if attributes.city == "Lyon" %}`, `{{if eq .City "Lyon"}}`, `{% else %}`, `{{else}}`, `{% endif %}`, `{{end}}`).Replace(part.text))
		if err != nil {
			return err
		}
		*part.to = made
	}
	switch what {
	case ready:
		var once bytes.Buffer
		if err := h.message(&once, h.person(0), 0); err != nil {
			return err
		}
		_, h.ready, _ = bytes.Cut(once.Bytes(), []byte("\r\n")) // but for the line with its own id
	case signed:
		var err error
		if h.key, err = rsa.GenerateKey(rand.Reader, 2048); err != nil {
			return err
		}
	}
	var wg sync.WaitGroup
	errs := make(chan error, connections)
	for range connections {
		wg.Go(func() {
			if err := h.connection(); err != nil {
				errs <- err
			}
		})
	}
	wg.Wait()
	select {
	case err := <-errs:
		return err
	default:
		return nil
	}
}

// hand is a sender made by hand.
type hand struct {
	addr       string
	n          int64
	next       atomic.Int64
	page, text *template.Template
	ready      []byte          // the message, if it is ready
	key        *rsa.PrivateKey // signs, if there is one
}

func (h *hand) person(i int) handmadePerson {
	return handmadePerson{
		Email: fmt.Sprintf("person%07d@example.org", i), Name: fmt.Sprintf("Prénom %d", i), City: "Lyon", Offer: i,
		Leave: fmt.Sprintf("https://news.example.com/u/%044d", i), Address: "1 rue de la Poste, 69001 Lyon",
	}
}

type handmadePerson struct {
	Email, Name, City, Leave, Address string
	Offer                             int
}

func (h *hand) connection() error {
	c, err := net.Dial("tcp", h.addr)
	if err != nil {
		return err
	}
	defer func() { _ = c.Close() }()
	r := bufio.NewReader(c)
	if err := expect(r, "220"); err != nil {
		return err
	}
	if _, err := c.Write([]byte("EHLO bench\r\n")); err != nil {
		return err
	}
	if err := expect(r, "250"); err != nil {
		return err
	}
	var out bytes.Buffer
	body := false
	for {
		i := int(h.next.Add(1) - 1)
		if i >= int(h.n) {
			break
		}
		p := h.person(i)
		fmt.Fprintf(&out, "MAIL FROM:<b-%d@bounces.news.example.com>\r\nRCPT TO:<%s>\r\nDATA\r\n", i, p.Email)
		if _, err := c.Write(out.Bytes()); err != nil {
			return err
		}
		out.Reset()
		if err := h.compose(&out, p, i); err != nil {
			return err
		}
		if body {
			if err := expect(r, "250"); err != nil {
				return err
			}
		}
		for _, code := range []string{"250", "250", "354"} {
			if err := expect(r, code); err != nil {
				return err
			}
		}
		body = true
	}
	if body {
		if _, err := c.Write(out.Bytes()); err != nil {
			return err
		}
		return expect(r, "250")
	}
	return nil
}

// compose makes a message in the sender's way.
func (h *hand) compose(out *bytes.Buffer, p handmadePerson, i int) error {
	if h.ready != nil {
		fmt.Fprintf(out, "Message-ID: <%d@news.example.com>\r\n", i)
		out.Write(h.ready)
		return nil
	}
	if h.key == nil {
		return h.message(out, p, i)
	}
	var plain bytes.Buffer
	if err := h.message(&plain, p, i); err != nil {
		return err
	}
	header, body, _ := bytes.Cut(plain.Bytes(), []byte("\r\n\r\n"))
	bodyHash := sha256.Sum256(body)
	signature := fmt.Sprintf("DKIM-Signature: v=1; a=rsa-sha256; d=news.example.com; s=bench; bh=%s; b=", base64.StdEncoding.EncodeToString(bodyHash[:]))
	hash := sha256.Sum256(append(header, signature...))
	sum, err := rsa.SignPKCS1v15(nil, h.key, crypto.SHA256, hash[:])
	if err != nil {
		return err
	}
	out.WriteString(signature + base64.StdEncoding.EncodeToString(sum) + "\r\n")
	out.Write(plain.Bytes())
	return nil
}

// message is the whole mail with its final dot: the same two parts as the campaign's.
func (h *hand) message(out *bytes.Buffer, p handmadePerson, i int) error {
	fmt.Fprintf(out, "Message-ID: <%d@news.example.com>\r\nFrom: Les Nouvelles <hello@news.example.com>\r\nTo: %s\r\nSubject: Bonjour %d\r\nDate: %s\r\n"+
		"List-Unsubscribe: <%s>\r\nList-Unsubscribe-Post: List-Unsubscribe=One-Click\r\nMIME-Version: 1.0\r\n"+
		"Content-Type: multipart/alternative; boundary=bench\r\n\r\n", i, p.Email, i, time.Now().Format(time.RFC1123Z), p.Leave)
	for _, part := range []struct {
		kind string
		made *template.Template
	}{{"plain", h.text}, {"html", h.page}} {
		var text bytes.Buffer
		if err := part.made.Execute(&text, p); err != nil {
			return err
		}
		fmt.Fprintf(out, "--bench\r\nContent-Type: text/%s; charset=utf-8\r\nContent-Transfer-Encoding: quoted-printable\r\n\r\n", part.kind)
		q := quotedprintable.NewWriter(out)
		if _, err := q.Write(text.Bytes()); err != nil {
			return err
		}
		if err := q.Close(); err != nil {
			return err
		}
		out.WriteString("\r\n")
	}
	out.WriteString("--bench--\r\n.\r\n")
	return nil
}

func expect(r *bufio.Reader, code string) error {
	for {
		line, err := r.ReadString('\n')
		if err != nil {
			return err
		}
		if !strings.HasPrefix(line, code) {
			return fmt.Errorf("answer %q, want %s", line, code)
		}
		if len(line) > 3 && line[3] == ' ' {
			return nil
		}
	}
}

// letterText is its text part.
const letterText = "Bonjour {{ name }},\n\nOffer {{ attributes.offer }} in {{ attributes.city | default: \"your town\" }}: see the HTML part.\n\n{{ postal_address }}\nLeave: {{ unsubscribe_url }}\n"

// letter is a mail of about 9.5 KB HTML with six variables and a condition.
func letter() string {
	var b strings.Builder
	b.WriteString(`<html><body style="margin:0"><h1>Bonjour {{ name }}</h1><p>{% if attributes.city == "Lyon" %}See you at the shop!{% else %}Come by train.{% endif %} Offer {{ attributes.offer }} in {{ attributes.city | default: "your town" }}.</p>`)
	for i := range 40 {
		fmt.Fprintf(&b, `<table width="600"><tr><td style="padding:8px;color:#333333">Paragraph %d: l'automne est là, et avec lui nos nouvelles de saison, à lire au calme près du feu.</td><td><a href="https://news.example.com/page/%d">read on</a></td></tr></table>`+"\n", i, i)
	}
	b.WriteString(`<p>{{ postal_address }} · <a href="{{ unsubscribe_url }}">Leave</a></p></body></html>`)
	return b.String()
}
