package smtp

import "errors"

// Mail is one message to one recipient on its way to a relay. Exactly one of
// these ends it: it appears in a Turn's ended, or Return is called.
type Mail interface {
	// Envelope is the reverse path, the forward path and whether the address
	// needs SMTPUTF8 (RFC 6531).
	Envelope() (from, to string, utf8 bool)
	// Ready is asked just before the envelope is written, and once more before
	// DATA where the server takes one command at a time: until then RSET takes
	// the envelope back, afterwards only the end of the connection does. On
	// false the mail has taken care of itself and the connection forgets it.
	Ready() bool
	// Compose appends the whole message with CRLF line ends, dots stuffed or
	// encoded, ending in CRLF and without the final dot line.
	Compose(dst []byte) ([]byte, error)
	// Return takes back a mail whose body never began.
	Return(why error)
}

// Turn settles what has ended and begins next, either of which may be empty,
// in one durable commit. It returns whether next may be sent, and only after
// the commit.
type Turn func(ended []Ended, next Mail) bool

// Ended is a mail with the answer it got.
type Ended struct {
	Mail  Mail
	Begun bool // its body had begun; if not, the envelope was refused
	Result
}

// Stage is where in the dialogue an answer was given.
type Stage string

// The stages in their order.
const (
	Connect Stage = "connect" // dial, greeting, EHLO, STARTTLS
	Auth    Stage = "auth"
	MailCmd Stage = "mail"
	Rcpt    Stage = "rcpt"
	Data    Stage = "data"
	Compose Stage = "compose" // not said by the relay: the message could not be made
	Body    Stage = "body"
)

// Result is an SMTP answer as a value. Err is set instead of a code when
// there was no answer: at [Body] that is a doubt, unless it is [ErrUnsent].
type Result struct {
	Stage    Stage
	Code     int    // 250, 451, … ; 0: no answer
	Enhanced string // "5.1.1" (RFC 3463), "" if not given
	Text     string // without codes, on one line, at most 500 bytes
	Err      error
}

// Accepted tells whether the relay took the message.
func (r Result) Accepted() bool { return r.Err == nil && r.Code >= 200 && r.Code < 300 }

// Errors that mails are returned with, and one of results.
var (
	// ErrUnsent is a begun message of which no byte left.
	ErrUnsent = errors.New("not a byte was sent")
	// ErrRefused is a mail that Turn did not let begin.
	ErrRefused = errors.New("not allowed to begin")
	// ErrLost is a connection that ended before the body began.
	ErrLost = errors.New("connection lost before the message")
	// ErrDown is a relay that cannot be reached or logged in to.
	ErrDown = errors.New("relay is down")
	// ErrClosed is a pool that is closing.
	ErrClosed = errors.New("pool is closed")
)
