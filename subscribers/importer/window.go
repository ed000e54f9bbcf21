package importer

import "io"

// window is the part of the decoded source that is held in memory.
type window struct {
	source   io.Reader
	encoding encoding
	buf      []byte
	from, to int
	offset   int64 // of buf[from] in the source, in its own bytes
	err      error // io.EOF or what the source failed with: nothing comes after buf[:to]
}

// newWindow has room for the longest record, and enough beside it that moving its
// rest to the front stays rare.
func newWindow(source io.Reader, enc encoding, maxRecord int) window {
	return window{source: source, encoding: enc, buf: make([]byte, maxRecord+2*headSize)}
}

func (w *window) rest() []byte { return w.buf[w.from:w.to] }

// more fills the window and says whether anything came. It waits for a full window:
// a record is scanned anew for each filling, and this keeps them few.
func (w *window) more() bool {
	if w.err != nil {
		return false
	}
	w.to = copy(w.buf, w.rest())
	w.from = 0
	before := w.to
	for empty := 0; w.err == nil && len(w.buf)-w.to >= widest; {
		var n int
		n, w.err = w.source.Read(w.buf[w.to:])
		w.to += n
		if n > 0 {
			empty = 0
		} else if empty++; empty == 100 && w.err == nil {
			w.err = io.ErrNoProgress
		}
	}
	return w.to > before
}

// advance gives up the first n bytes; they stay readable until more is called.
func (w *window) advance(n int) {
	w.offset += w.encoding.width(w.buf[w.from : w.from+n])
	w.from += n
}
