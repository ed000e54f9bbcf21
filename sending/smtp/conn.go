package smtp

import (
	"bufio"
	"errors"
	"fmt"
	"runtime"
	"time"

	"github.com/wneessen/go-mail/smtp"
)

// staleAfter is how old a begin may be at most when its body is written; it is
// this old only when the process was suspended, or its commit hung. Others
// may send the message again once the final dot's time is over.
const staleAfter = time.Minute

// conn is one connection and its dialogue; it belongs to one goroutine.
type conn struct {
	pool       *Pool
	client     *smtp.Client
	r          *bufio.Reader
	w          *bufio.Writer
	pipelining bool
	utf8       bool
	reset      bool   // the last transaction is still open on the server
	out        []byte // an envelope
	body       []byte // the composed message that is begun or about to be; written at once with its dot and the next envelope
	spare      []byte
	begun      Mail          // whose body may have left, until its end is told
	opened     Mail          // whose envelope may have, likewise
	settling   [2]Ended      // what a turn is told
	answers    int           // final answers got; 0: the connection was barren
	allowed    time.Duration // for the next answers, since
	allowedAt  time.Time
	asked      time.Time // when the begin of the current mail was asked for
	dead       bool
	withdrawn  bool // we closed it ourselves, to take back a granted DATA
}

// run sends mails until the pool closes, nobody has mail for a while, or the connection ends.
func (c *conn) run() {
	var current Mail
	for !c.dead {
		if current == nil {
			next := c.pool.take()
			if next == nil {
				_ = c.allow(5 * time.Second)
				_ = c.client.Quit()
				return
			}
			current = c.open(next)
			continue
		}
		current = c.deliver(current)
	}
	if m := c.begun; m != nil { // the connection went between its begin and its body
		c.settle(nil, Ended{Mail: m, Begun: true, Result: Result{Stage: Body, Err: ErrUnsent}})
	}
}

// drop closes the connection raw: no QUIT, which would end an open DATA on some servers.
func (c *conn) drop() {
	c.dead = true
	_ = c.client.Close()
}

// withdraw takes back a message whose DATA was granted: only the end of the
// connection does (RFC 5321 section 4.1.1.10).
func (c *conn) withdraw() {
	c.withdrawn = true
	c.drop()
}

// open writes the envelope of m and begins it. It returns m when its body may be written.
func (c *conn) open(m Mail) Mail {
	c.opened = m
	ok, err := ready(m)
	if err == nil && !ok {
		c.opened = nil
		return nil
	}
	if err == nil {
		c.body, err = compose(m, c.body[:0])
	}
	if err != nil {
		c.settle(nil, unmade(m, err))
		return nil
	}
	res, err := c.envelope(m)
	switch {
	case errors.Is(err, errNotReady):
		c.opened = nil
		return nil
	case err != nil:
		c.drop()
		c.giveBack(fmt.Errorf("%w: %w", ErrLost, err))
		return nil
	case !res.granted():
		if c.tiredOfUs(res) {
			c.giveBack(ErrLost)
			return nil
		}
		c.settle(nil, Ended{Mail: m, Result: res})
		return nil
	}
	c.asked = time.Now()
	if !c.settle(m) {
		c.withdraw()
		c.giveBack(ErrRefused)
		return nil
	}
	return m
}

// giveBack returns the mail whose envelope is open, if there is one.
func (c *conn) giveBack(why error) {
	if m := c.opened; m != nil {
		c.opened = nil
		m.Return(why)
	}
}

// granted tells whether the body is awaited.
func (r Result) granted() bool { return r.Stage == Data && r.Code == 354 }

// tiredOfUs tells whether the relay ends a connection on which it has
// answered before: its limit of messages or of idle time. That is no refusal.
func (c *conn) tiredOfUs(r Result) bool {
	if r.Stage != MailCmd || r.Code != 421 || c.answers == 0 {
		return false
	}
	c.drop()
	return true
}

// stale tells whether the begin is too old for its body to be written, by
// whichever clock says so: the monotonic one stands still while the machine sleeps.
func (c *conn) stale() bool {
	most := min(staleAfter, c.pool.server.Timeouts.FinalDot/2)
	now := time.Now()
	return now.Sub(c.asked) > most || now.Round(0).Sub(c.asked.Round(0)) > most
}

// envelope speaks MAIL, RCPT and DATA: at once where the server offers
// PIPELINING, one by one where not. Code 354 means the body is awaited.
func (c *conn) envelope(m Mail) (Result, error) {
	if err := c.allow(c.pool.server.Timeouts.Command); err != nil {
		return Result{}, err
	}
	if !c.pipelining {
		return c.stepwise(m)
	}
	commands, err := c.commands(c.out[:0], m)
	if err != nil {
		return notSpoken(err), nil
	}
	c.out = commands
	if err := c.write(c.out); err != nil {
		return Result{}, err
	}
	return c.readEnvelope()
}

// errNoReset is a server whose transaction stays open; only a new connection helps.
var errNoReset = errors.New("no answer of success to RSET")

// errNotReady is a mail that has taken care of itself before its DATA.
var errNotReady = errors.New("not ready any more")

// errNoUTF8 stands for the relay's missing SMTPUTF8 (RFC 6531 section 3.2, code 5.6.7).
var errNoUTF8 = errors.New("the relay does not offer SMTPUTF8, which this address needs")

func (c *conn) commands(dst []byte, m Mail) ([]byte, error) {
	from, to, utf8, err := c.paths(m)
	if err != nil {
		return dst, err
	}
	if c.reset {
		dst = append(dst, "RSET\r\n"...)
	}
	dst = append(append(append(dst, "MAIL FROM:<"...), from...), '>')
	if utf8 {
		dst = append(dst, " SMTPUTF8"...)
	}
	dst = append(append(append(dst, "\r\nRCPT TO:<"...), to...), ">\r\nDATA\r\n"...)
	return dst, nil
}

// paths are the envelope of m, if this server takes such.
func (c *conn) paths(m Mail) (from, to string, utf8 bool, err error) {
	if from, to, utf8, err = envelope(m); err == nil && utf8 && !c.utf8 {
		err = errNoUTF8
	}
	return from, to, utf8, err
}

// notSpoken is the end of a mail whose envelope could not be said to this server.
func notSpoken(err error) Result {
	if errors.Is(err, errNoUTF8) {
		return Result{Stage: Rcpt, Code: 553, Enhanced: "5.6.7", Text: err.Error()}
	}
	return Result{Stage: Compose, Err: err}
}

// readEnvelope reads the answers to a pipelined envelope.
func (c *conn) readEnvelope() (Result, error) {
	if c.reset {
		if res, err := readReply(c.r); err != nil || res.Code/100 != 2 {
			return Result{}, errors.Join(errNoReset, err)
		}
		c.reset = false
	}
	var first Result // the first refusal
	for _, stage := range []Stage{MailCmd, Rcpt, Data} {
		res, err := readReply(c.r)
		if err != nil {
			// A 421 ends the connection: what it refused is known all the same.
			if first.Code != 0 {
				c.drop()
				return first, nil
			}
			return Result{}, err
		}
		res.Stage = stage
		ok := res.Code/100 == 2
		if stage == Data {
			ok = res.Code == 354
		}
		switch {
		case !ok && first.Code == 0:
			first = res
			c.reset = stage != MailCmd
		case ok && stage == Data && first.Code != 0:
			if c.loneDot() != nil {
				c.drop() // what it refused is known all the same
			}
			return first, nil
		case ok && stage == Data:
			return res, nil
		}
	}
	return first, nil
}

// loneDot ends a DATA that the server granted after refusing the recipient;
// its reply is no delivery (RFC 2920 section 3.1).
func (c *conn) loneDot() error {
	c.reset = false
	if err := c.write([]byte(".\r\n")); err != nil {
		return err
	}
	_, err := readReply(c.r)
	return err
}

// stepwise waits for each answer, for servers without PIPELINING.
func (c *conn) stepwise(m Mail) (Result, error) {
	from, to, utf8, err := c.paths(m)
	if err != nil {
		return notSpoken(err), nil
	}
	if c.reset {
		if res, err := c.ask("RSET"); err != nil || res.Code/100 != 2 {
			return Result{}, errors.Join(errNoReset, err)
		}
		c.reset = false
	}
	parameter := ""
	if utf8 {
		parameter = " SMTPUTF8"
	}
	res, err := c.ask("MAIL FROM:<" + from + ">" + parameter)
	if res.Stage = MailCmd; err != nil || res.Code/100 != 2 {
		return res, err
	}
	c.reset = true
	res, err = c.ask("RCPT TO:<" + to + ">")
	if res.Stage = Rcpt; err != nil || res.Code/100 != 2 {
		return res, err
	}
	if ok, err := ready(m); err != nil {
		return Result{Stage: Compose, Err: err}, nil
	} else if !ok {
		return Result{}, errNotReady
	}
	res, err = c.ask("DATA")
	if res.Stage = Data; err == nil && res.Code == 354 {
		c.reset = false
	}
	return res, err
}

func (c *conn) ask(command string) (Result, error) {
	if err := c.write([]byte(command + "\r\n")); err != nil {
		return Result{}, err
	}
	return readReply(c.r)
}

// deliver writes the body of m, which has begun, with the next envelope
// behind it, and returns the next mail if that has begun.
func (c *conn) deliver(m Mail) Mail {
	next := c.ahead()
	c.body = append(c.body, ".\r\n"...)
	if next != nil {
		var err error
		if c.body, err = c.commands(c.body, next); err != nil {
			c.settle(nil, Ended{Mail: next, Result: notSpoken(err)})
			next = nil
		}
	}
	if c.stale() {
		c.drop()
		c.ended(Ended{Mail: m, Begun: true, Result: Result{Stage: Body, Err: ErrUnsent}})
		return nil
	}
	err := c.allow(c.pool.server.Timeouts.FinalDot)
	if err == nil {
		err = c.write(c.body)
	}
	var composed error
	if err == nil && next != nil { // while the answer is on its way
		c.spare, composed = compose(next, c.spare[:0])
	}
	var res Result
	if err == nil {
		res, err = readReply(c.r)
	}
	if res.Stage = Body; err != nil {
		c.drop()
		c.ended(Ended{Mail: m, Begun: true, Result: Result{Stage: Body, Err: err}})
		return nil
	}
	c.answers++
	c.pool.fruitful()
	answered := Ended{Mail: m, Begun: true, Result: res}
	if next == nil {
		c.ended(answered)
		return nil
	}
	return c.follow(answered, next, composed)
}

// ahead is the next mail whose envelope may travel behind the body, if there is one now.
func (c *conn) ahead() Mail {
	if !c.pipelining {
		return nil
	}
	next := c.pool.tryTake()
	if next == nil {
		runtime.Gosched() // lets those who have mail offer it
		next = c.pool.tryTake()
	}
	if next == nil {
		return nil
	}
	c.opened = next
	ok, err := ready(next)
	if err != nil {
		c.settle(nil, unmade(next, err))
	}
	if err != nil || !ok {
		c.opened = nil
		return nil
	}
	return next
}

// ended settles e alone and gives back the mail that was to follow it.
func (c *conn) ended(e Ended) {
	c.settle(nil, e)
	c.giveBack(ErrLost)
}

// follow reads the answers to the next envelope, then settles the last mail and begins the next in one turn.
func (c *conn) follow(answered Ended, next Mail, composed error) Mail {
	res, err := c.readEnvelope()
	switch {
	case err != nil:
		c.drop()
		c.ended(answered)
		return nil
	case !res.granted() && c.tiredOfUs(res):
		c.ended(answered)
		return nil
	case !res.granted():
		c.settle(nil, answered, Ended{Mail: next, Result: res})
		return nil
	case composed != nil:
		c.withdraw()
		c.settle(nil, answered, unmade(next, composed))
		return nil
	}
	c.asked = time.Now()
	if !c.settle(next, answered) {
		c.withdraw()
		c.giveBack(ErrRefused)
		return nil
	}
	c.body, c.spare = c.spare, c.body
	return next
}

// settle takes a turn: it tells what has ended, and whether next may begin.
func (c *conn) settle(next Mail, ended ...Ended) bool {
	n := copy(c.settling[:], ended)
	for _, e := range ended { // told, whatever happens
		switch e.Mail {
		case c.begun:
			c.begun = nil
		case c.opened:
			c.opened = nil
		}
	}
	ok := c.pool.turn(c.settling[:n], next)
	clear(c.settling[:])
	if ok && next != nil {
		c.begun, c.opened = next, nil
	}
	return ok
}

// allow gives the relay this long for its next answers. A deadline that was
// set for as long a time just before is left as it is.
func (c *conn) allow(most time.Duration) error {
	now := time.Now()
	if most == c.allowed && now.Sub(c.allowedAt) < most/100 {
		return nil
	}
	c.allowed, c.allowedAt = most, now
	return c.client.UpdateDeadline(most)
}

func (c *conn) write(b []byte) error {
	if _, err := c.w.Write(b); err != nil {
		return err
	}
	return c.w.Flush()
}
