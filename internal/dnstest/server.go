// Package dnstest gives a test a DNS server of its own on loopback, over UDP and
// TCP, that answers from the lines of a zone file and can be told to fail.
package dnstest

import (
	"net"
	"strings"
	"sync"
	"testing"

	"github.com/miekg/dns"
)

// Fault is a way to answer wrongly.
type Fault int

// The faults.
const (
	None      Fault = iota
	Silent          // no answer at all
	Broken          // SERVFAIL
	Refused         // REFUSED
	Lame            // a referral to nowhere, as servers send that do not have the zone
	Truncated       // nothing but "ask by TCP" over UDP
	Deaf            // the same, and TCP stays silent
	Garbage         // bytes that are no answer
)

// Server answers from its records as a recursive server would. All names are
// lower case with a final dot.
type Server struct {
	mu     sync.Mutex
	sets   map[string][]dns.RR // by "TXT name."
	names  map[string]bool     // that exist, those between labels too
	faults map[string]Fault    // by "name." or "TXT name."
	asked  map[string]int      // by "TXT name.", over UDP and TCP
	addr   string
}

// Serve answers until the test ends. Records are lines of a zone file with whole
// names.
func Serve(t testing.TB, records string, faults map[string]Fault) *Server {
	t.Helper()
	s := &Server{sets: map[string][]dns.RR{}, names: map[string]bool{}, faults: faults, asked: map[string]int{}}
	s.Add(t, records)
	for range 10 { // the other protocol may have the port already
		udp, err := net.ListenPacket("udp", "127.0.0.1:0")
		if err != nil {
			t.Fatal(err)
		}
		tcp, err := net.Listen("tcp", udp.LocalAddr().String())
		if err != nil {
			_ = udp.Close()
			continue
		}
		s.addr = udp.LocalAddr().String()
		for _, server := range []*dns.Server{{PacketConn: udp, Handler: s}, {Listener: tcp, Handler: s}} {
			up := make(chan struct{})
			server.NotifyStartedFunc = func() { close(up) }
			go func() { _ = server.ActivateAndServe() }()
			<-up
			t.Cleanup(func() { _ = server.Shutdown() })
		}
		return s
	}
	t.Fatal("no port is free for UDP and TCP")
	return nil
}

// Addr is host:port, as in FACTEUR_DNS.
func (s *Server) Addr() string { return s.addr }

// Add takes in more records.
func (s *Server) Add(t testing.TB, records string) {
	t.Helper()
	s.mu.Lock()
	defer s.mu.Unlock()
	zone := dns.NewZoneParser(strings.NewReader("$TTL 60\n"+records), ".", "")
	for rr, ok := zone.Next(); ok; rr, ok = zone.Next() {
		k := key(rr.Header().Rrtype, rr.Header().Name)
		s.sets[k] = append(s.sets[k], rr)
		name := strings.ToLower(rr.Header().Name)
		for off, end := 0, false; !end; off, end = dns.NextLabel(name, off) {
			s.names[name[off:]] = true
		}
	}
	if err := zone.Err(); err != nil {
		t.Fatal(err)
	}
}

// Remove drops the records of a kind at a name, such as "TXT news.example.".
func (s *Server) Remove(set string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	delete(s.sets, set)
}

// Asked is how often a question came, such as "TXT news.example.".
func (s *Server) Asked(question string) int {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.asked[question]
}

func key(kind uint16, name string) string {
	return dns.TypeToString[kind] + " " + strings.ToLower(name)
}

// ServeDNS implements [dns.Handler].
func (s *Server) ServeDNS(w dns.ResponseWriter, question *dns.Msg) {
	_, udp := w.RemoteAddr().(*net.UDPAddr)
	m, fault := s.answer(question)
	switch fault {
	case Silent:
		return
	case Garbage:
		_, _ = w.Write([]byte{byte(question.Id >> 8), byte(question.Id), 0x80, 0, 0, 1, 0, 9, 0, 0, 0, 0, 0xff})
		return
	case Broken:
		m.Rcode, m.Answer = dns.RcodeServerFailure, nil
	case Refused:
		m.Rcode, m.Answer = dns.RcodeRefused, nil
	case Lame:
		m.RecursionAvailable, m.Answer, m.Rcode = false, nil, dns.RcodeSuccess
	case Truncated, Deaf:
		if udp {
			m.Truncated, m.Answer = true, nil
		} else if fault == Deaf {
			return
		}
	}
	if udp {
		size := dns.MinMsgSize
		if o := question.IsEdns0(); o != nil {
			size = int(o.UDPSize())
		}
		truncated := m.Truncated
		m.Truncate(size)
		m.Truncated = m.Truncated || truncated
	}
	_ = w.WriteMsg(m) // who asked may have left
}

// answer is the right answer, and what to do to it.
func (s *Server) answer(question *dns.Msg) (*dns.Msg, Fault) {
	s.mu.Lock()
	defer s.mu.Unlock()
	m := new(dns.Msg)
	m.SetReply(question)
	m.RecursionAvailable = true
	q := question.Question[0]
	k := key(q.Qtype, q.Name)
	s.asked[k]++
	name := strings.ToLower(q.Name)
	for range 8 { // aliases
		found := s.sets[key(q.Qtype, name)]
		if alias := s.sets[key(dns.TypeCNAME, name)]; len(found) == 0 && len(alias) > 0 {
			m.Answer = append(m.Answer, alias...)
			name = strings.ToLower(alias[0].(*dns.CNAME).Target)
			continue
		}
		m.Answer = append(m.Answer, found...)
		break
	}
	if !s.names[name] {
		m.Rcode = dns.RcodeNameError
	}
	if f := s.faults[k]; f != None {
		return m, f
	}
	return m, s.faults[strings.ToLower(q.Name)]
}
