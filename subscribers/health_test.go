package subscribers_test

import (
	"context"
	"fmt"
	"net"
	"strings"
	"sync"
	"testing"

	"facteur/internal/address"
	"facteur/internal/database"
	"facteur/subscribers"
	"facteur/subscribers/hygiene"

	"golang.org/x/net/dns/dnsmessage"
)

// nameServer is a DNS server: what a domain begins with says how it is.
type nameServer struct {
	mu    sync.Mutex
	asked map[string]int
}

func (n *nameServer) serve(t *testing.T) string {
	t.Helper()
	conn, err := net.ListenPacket("udp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	var done sync.WaitGroup
	t.Cleanup(func() { _ = conn.Close(); done.Wait() })
	done.Go(func() {
		buf := make([]byte, 1500)
		for {
			size, peer, err := conn.ReadFrom(buf)
			if err != nil {
				return
			}
			var m dnsmessage.Message
			if m.Unpack(buf[:size]) != nil || len(m.Questions) != 1 {
				continue
			}
			m.Response, m.RecursionAvailable, m.Additionals = true, true, nil
			n.answer(&m)
			if reply, err := m.Pack(); err == nil {
				_, _ = conn.WriteTo(reply, peer)
			}
		}
	})
	return conn.LocalAddr().String()
}

func (n *nameServer) answer(m *dnsmessage.Message) {
	q := m.Questions[0]
	name := q.Name.String()
	n.mu.Lock()
	n.asked[name]++
	n.mu.Unlock()
	head := dnsmessage.ResourceHeader{Name: q.Name, Type: q.Type, Class: dnsmessage.ClassINET, TTL: 60}
	switch {
	case strings.HasPrefix(name, "mx") && q.Type == dnsmessage.TypeMX:
		m.Answers = append(m.Answers, dnsmessage.Resource{Header: head, Body: &dnsmessage.MXResource{Pref: 10, MX: dnsmessage.MustNewName("mail." + name)}})
	case strings.HasPrefix(name, "null") && q.Type == dnsmessage.TypeMX:
		m.Answers = append(m.Answers, dnsmessage.Resource{Header: head, Body: &dnsmessage.MXResource{Pref: 0, MX: dnsmessage.MustNewName(".")}})
	case strings.HasPrefix(name, "host") && q.Type == dnsmessage.TypeA:
		m.Answers = append(m.Answers, dnsmessage.Resource{Header: head, Body: &dnsmessage.AResource{A: [4]byte{192, 0, 2, 1}}})
	case strings.HasPrefix(name, "broken"):
		m.RCode = dnsmessage.RCodeServerFailure
	case strings.HasPrefix(name, "gone"):
		m.RCode = dnsmessage.RCodeNameError
	}
}

func TestHygiene_AsksDNSAboutEachDomainOnce(t *testing.T) {
	eachParish(t, "", func(p *parish) {
		n := &nameServer{asked: map[string]int{}}
		resolver, err := address.NewResolver(address.ResolverOptions{Server: n.serve(t)})
		if err != nil {
			t.Fatal(err)
		}
		disposable, err := hygiene.ReadDisposable(strings.NewReader("mx-thrown.example\n"))
		if err != nil {
			t.Fatal(err)
		}
		p.examiner = subscribers.NewExaminer(p.db, p.store, p.campaigns.SentTo, p.campaigns.Erase, resolver, disposable, quiet())
		var people []subscribers.Person
		for _, domain := range []string{"mx.example", "mx.example", "null.example", "host.example", "gone.example", "broken.example", "gmail.com", "mx-thrown.example"} {
			people = append(people, subscribers.Person{Address: parse(t, fmt.Sprintf("p%d@%s", len(people), domain))})
		}
		enroll(t, p.db, p.list, people...)
		report := func() subscribers.HygieneReport {
			t.Helper()
			var asked subscribers.HygieneReport
			p.do(func(ctx context.Context, tx *database.Tx) (err error) {
				asked, err = p.store.AskHygiene(ctx, tx, p.list)
				return err
			})
			if err := p.examiner.Examine(t.Context(), p.db.Write); err != nil {
				t.Fatal(err)
			}
			r, err := p.store.Hygiene(t.Context(), asked.ID)
			if err != nil {
				t.Fatal(err)
			}
			return r
		}
		for range 2 {
			r := report()
			found := map[string]string{}
			for _, f := range r.Findings {
				found[f.Code] = fmt.Sprint(f.Domains)
			}
			if r.People != 8 || r.Unknown != 1 || fmt.Sprint(found) != "map[disposable:map[mx-thrown.example:1] no_mail:map[gone.example:1 null.example:1]]" {
				t.Errorf("%+v %v", r, found)
			}
		}
		n.mu.Lock()
		defer n.mu.Unlock()
		if n.asked["mx.example."] != 1 || n.asked["gmail.com."] != 0 {
			t.Errorf("asked %v", n.asked)
		}
	})
}
