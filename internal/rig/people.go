package rig

import (
	"bufio"
	"fmt"
	"io"
)

// CSV streams n made-up people: email, name, city and an offer number.
func CSV(n int) io.Reader { return CSVAt(n, domains...) }

// CSVAt is [CSV] with people at these domains in turn.
func CSVAt(n int, domains ...string) io.Reader {
	r, w := io.Pipe()
	go func() {
		b := bufio.NewWriterSize(w, 1<<16)
		_, err := fmt.Fprintln(b, "email,name,city,offer")
		for i := 0; i < n && err == nil; i++ {
			_, err = fmt.Fprintf(b, "%s,Prénom %d,%s,%d\n", Address(i, domains...), i, cities[i%len(cities)], 1000+i%9000)
		}
		if err == nil {
			err = b.Flush()
		}
		_ = w.CloseWithError(err)
	}()
	return r
}

// Address is that of the person in line i+1 of such a CSV.
func Address(i int, at ...string) string {
	if len(at) == 0 {
		at = domains
	}
	return fmt.Sprintf("person%07d@%s", i, at[i%len(at)])
}

var (
	domains = []string{"gmail.com", "example.org", "orange.fr", "example.net", "yahoo.com", "outlook.com", "free.fr", "example.com"}
	cities  = []string{"Lyon", "Paris", "Brest", "Lille", "Nice", "Nantes", "Metz"}
)
