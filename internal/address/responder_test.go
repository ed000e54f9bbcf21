package address_test

import (
	"net"
	"strings"
	"sync"
	"testing"

	"golang.org/x/net/dns/dnsmessage"
)

// zone answers as a small recursive server would: records by kind and name, and
// for the rest "no such name".
type zone struct {
	mu      sync.Mutex
	records map[string][]dnsmessage.ResourceBody // "MX example.com."
	broken  map[string]bool                      // names that get SERVFAIL
	silent  map[string]bool                      // names that get no reply
	asked   map[string]int                       // by "MX example.com."
	hold    chan struct{}                        // if set, each reply waits for a token
	arrived chan string                          // if set, told of each question
}

func key(kind dnsmessage.Type, name string) string {
	return strings.TrimPrefix(kind.String(), "Type") + " " + strings.ToLower(name)
}

func (z *zone) questions(k string) int {
	z.mu.Lock()
	defer z.mu.Unlock()
	return z.asked[k]
}

// serve answers on a loopback port over UDP until the test ends.
func (z *zone) serve(t *testing.T) (server string) {
	t.Helper()
	z.asked = make(map[string]int)
	conn, err := net.ListenPacket("udp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	var replies sync.WaitGroup
	t.Cleanup(func() { conn.Close(); replies.Wait() })
	replies.Go(func() {
		buf := make([]byte, 1500)
		for {
			n, peer, err := conn.ReadFrom(buf)
			if err != nil {
				return
			}
			var query dnsmessage.Message
			if query.Unpack(buf[:n]) != nil || len(query.Questions) != 1 {
				continue
			}
			replies.Go(func() {
				if reply := z.reply(query); reply != nil {
					conn.WriteTo(reply, peer)
				}
			})
		}
	})
	return conn.LocalAddr().String()
}

func (z *zone) reply(query dnsmessage.Message) []byte {
	q := query.Questions[0]
	k := key(q.Type, q.Name.String())
	z.mu.Lock()
	z.asked[k]++
	records, exists := z.records[k]
	broken, silent := z.broken[strings.ToLower(q.Name.String())], z.silent[strings.ToLower(q.Name.String())]
	z.mu.Unlock()
	if z.arrived != nil {
		z.arrived <- k
	}
	if z.hold != nil {
		<-z.hold
	}
	if silent {
		return nil
	}
	m := dnsmessage.Message{
		Header:    dnsmessage.Header{ID: query.ID, Response: true, RecursionDesired: true, RecursionAvailable: true},
		Questions: query.Questions,
	}
	switch {
	case broken:
		m.RCode = dnsmessage.RCodeServerFailure
	case !exists:
		m.RCode = dnsmessage.RCodeNameError
	}
	for _, body := range records {
		m.Answers = append(m.Answers, dnsmessage.Resource{
			Header: dnsmessage.ResourceHeader{Name: q.Name, Class: dnsmessage.ClassINET, TTL: 300},
			Body:   body,
		})
	}
	reply, err := m.Pack()
	if err != nil {
		panic(err)
	}
	return reply
}
