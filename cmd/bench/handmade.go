package main

import (
	"bufio"
	"bytes"
	"fmt"
	"html/template"
	"mime/quotedprintable"
	"net"
	"strings"
	"sync"
	"sync/atomic"
	"time"
)

// handmade is the sender one writes by hand for speed, with no bookkeeping:
// html/template, the standard quoted-printable writer, and the next envelope
// pipelined behind each body. It keeps nothing: after a crash nobody knows
// who got what. It is the measure for what accounting costs.
func handmade(addr string, n, connections int) error {
	page, err := template.New("mail").Parse(strings.NewReplacer(
		`{{ name }}`, `{{.Name}}`, `{{ attributes.city | default: "your town" }}`, `{{if .City}}{{.City}}{{else}}your town{{end}}`,
		`{{ attributes.offer }}`, `{{.Offer}}`, `{{ unsubscribe_url }}`, `{{.Leave}}`, `{{ postal_address }}`, `{{.Address}}`,
		`{% if attributes.city == "Lyon" %}`, `{{if eq .City "Lyon"}}`, `{% else %}`, `{{else}}`, `{% endif %}`, `{{end}}`).Replace(letter()))
	if err != nil {
		return err
	}
	var next atomic.Int64
	var wg sync.WaitGroup
	errs := make(chan error, connections)
	for range connections {
		wg.Go(func() {
			if err := handmadeConnection(addr, page, n, &next); err != nil {
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

type handmadePerson struct {
	Email, Name, City, Leave, Address string
	Offer                             int
}

func handmadeConnection(addr string, page *template.Template, n int, next *atomic.Int64) error {
	c, err := net.Dial("tcp", addr)
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
		i := int(next.Add(1) - 1)
		if i >= n {
			break
		}
		p := handmadePerson{
			Email: fmt.Sprintf("person%07d@example.org", i), Name: fmt.Sprintf("Prénom %d", i), City: "Lyon", Offer: i,
			Leave: fmt.Sprintf("https://news.example.com/u/%044d", i), Address: "1 rue de la Poste, 69001 Lyon",
		}
		fmt.Fprintf(&out, "MAIL FROM:<b-%d@bounces.news.example.com>\r\nRCPT TO:<%s>\r\nDATA\r\n", i, p.Email)
		if _, err := c.Write(out.Bytes()); err != nil {
			return err
		}
		out.Reset()
		if err := handmadeMessage(&out, page, p, i); err != nil {
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

func handmadeMessage(out *bytes.Buffer, page *template.Template, p handmadePerson, i int) error {
	var html bytes.Buffer
	if err := page.Execute(&html, p); err != nil {
		return err
	}
	fmt.Fprintf(out, "From: Les Nouvelles <hello@news.example.com>\r\nTo: %s\r\nSubject: Bonjour %d\r\nDate: %s\r\nMessage-ID: <%d@news.example.com>\r\n"+
		"List-Unsubscribe: <%s>\r\nList-Unsubscribe-Post: List-Unsubscribe=One-Click\r\nMIME-Version: 1.0\r\n"+
		"Content-Type: text/html; charset=utf-8\r\nContent-Transfer-Encoding: quoted-printable\r\n\r\n", p.Email, i, time.Now().Format(time.RFC1123Z), i, p.Leave)
	q := quotedprintable.NewWriter(out)
	if _, err := q.Write(html.Bytes()); err != nil {
		return err
	}
	if err := q.Close(); err != nil {
		return err
	}
	out.WriteString("\r\n.\r\n")
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
