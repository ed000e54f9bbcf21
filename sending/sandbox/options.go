package sandbox

import (
	"crypto/tls"
	"errors"
	"time"
)

// Options say how the sandbox behaves towards everybody. The zero value listens on a free loopback port and takes all mail.
type Options struct {
	// Addr to listen on; default "127.0.0.1:0".
	Addr string
	// Name the server greets with; default "sandbox.test".
	Name string

	// TLS offers STARTTLS, with ImplicitTLS it is spoken from the first byte. RequireTLS refuses MAIL and AUTH before it with 530.
	TLS         *tls.Config
	ImplicitTLS bool
	RequireTLS  bool
	// Users maps names to passwords; if any, MAIL wants AUTH. With TLS set, AUTH is offered only after it.
	Users map[string]string

	// NoPipelining does not offer it and refuses each command that has input behind it with 503 5.5.0.
	NoPipelining bool
	// DataWithoutRecipients answers DATA with 354 even if every recipient was refused, as some servers do; what
	// follows gets 554. Otherwise DATA gets 503.
	DataWithoutRecipients bool
	// PlainNames switches the words in addresses off; rules stay.
	PlainNames bool

	// MaxConnections open at once; one more is greeted with 421 4.7.0. Zero is without limit.
	MaxConnections int
	// MaxMessages on one connection; a further MAIL gets 421 4.7.0 and the end. Zero is without limit.
	MaxMessages int
	// MaxSize of a message in bytes; default 64 MiB.
	MaxSize int64
	// IdleTimeout ends a connection on which nothing came for so long with 421 4.4.2. Zero waits for ever.
	IdleTimeout time.Duration

	// Latency passes between the final dot and its reply.
	Latency time.Duration
	// RoundTrip delays each sending of replies, as a network with this round trip would: a pipelined group pays once.
	RoundTrip time.Duration
	// SlowFor is the wait of the word "slow"; default 2 s.
	SlowFor time.Duration
	// GreylistFor is how long the word "greylist" refuses; zero refuses the first attempt only.
	GreylistFor time.Duration

	// Rules of misbehaviour from the start on; SetRules changes them.
	Rules []Rule
	// Keep so many whole messages, the latest ones; negative keeps all.
	Keep int
	// LogFile gets a line for each delivery, see ReadLog. An existing file is continued.
	LogFile string
	// Now is the clock of delivery times and greylisting; default time.Now. Waits are always real.
	Now func() time.Time
}

// withDefaults fills what is not set, and refuses what can not be meant.
func (o Options) withDefaults() (Options, error) {
	if o.TLS == nil && (o.ImplicitTLS || o.RequireTLS) {
		return o, errors.New("sandbox: ImplicitTLS and RequireTLS need a certificate: set TLS, SelfSigned makes one")
	}
	if o.Addr == "" {
		o.Addr = "127.0.0.1:0"
	}
	if o.Name == "" {
		o.Name = "sandbox.test"
	}
	if o.MaxSize <= 0 {
		o.MaxSize = 64 << 20
	}
	if o.SlowFor == 0 {
		o.SlowFor = 2 * time.Second
	}
	if o.Now == nil {
		o.Now = time.Now
	}
	return o, nil
}
