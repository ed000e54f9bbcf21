package rig

import (
	"errors"
	"net"

	"github.com/miekg/dns"
)

// Names is a DNS server that knows every name, to be at 127.0.0.1, with
// nothing else said of it. Stop and Start keep its address.
type Names struct {
	addr    string
	servers []*dns.Server
}

// StartNames listens on a free loopback port, by UDP and TCP.
func StartNames() (*Names, error) {
	for range 10 { // the other protocol may have the port already
		port, err := FreePort()
		if err != nil {
			return nil, err
		}
		n := &Names{addr: (&net.TCPAddr{IP: net.IPv4(127, 0, 0, 1), Port: port}).String()}
		if n.Start() == nil {
			return n, nil
		}
	}
	return nil, errors.New("no port is free for UDP and TCP")
}

// Addr is host:port, as FACTEUR_DNS wants it.
func (n *Names) Addr() string { return n.addr }

// Start answers again after Stop.
func (n *Names) Start() error {
	udp, err := net.ListenPacket("udp", n.addr)
	if err != nil {
		return err
	}
	tcp, err := net.Listen("tcp", n.addr)
	if err != nil {
		return errors.Join(err, udp.Close())
	}
	n.servers = []*dns.Server{{PacketConn: udp, Handler: dns.HandlerFunc(answer)}, {Listener: tcp, Handler: dns.HandlerFunc(answer)}}
	for _, s := range n.servers {
		up := make(chan struct{})
		s.NotifyStartedFunc = func() { close(up) }
		go func() { _ = s.ActivateAndServe() }()
		<-up
	}
	return nil
}

// Stop leaves nothing listening.
func (n *Names) Stop() error {
	var err error
	for _, s := range n.servers {
		err = errors.Join(err, s.Shutdown())
	}
	n.servers = nil
	return err
}

func answer(w dns.ResponseWriter, question *dns.Msg) {
	m := new(dns.Msg).SetReply(question)
	for _, q := range question.Question {
		if q.Qtype == dns.TypeA {
			m.Answer = append(m.Answer, &dns.A{
				Hdr: dns.RR_Header{Name: q.Name, Rrtype: dns.TypeA, Class: dns.ClassINET, Ttl: 1},
				A:   net.IPv4(127, 0, 0, 1),
			})
		}
	}
	_ = w.WriteMsg(m) // who asked has gone
}
