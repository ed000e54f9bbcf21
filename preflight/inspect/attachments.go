package inspect

import (
	"archive/zip"
	"bytes"
	"fmt"
	"path"
	"strings"
)

// Bounds of attachments. Gmail takes 25 MB, many servers of companies 10, and
// each byte is sent once for each recipient.
const (
	manyAttachments   = 2
	heavyAttachments  = 1_000_000
	refusedAttachment = 10_000_000
	maxEntries        = 2000 // of a zip that are read
)

// attachments looks at the files that travel along.
func (i *inspection) attachments() {
	var names []string
	sum := 0
	for _, f := range i.files {
		if i.inline(f) {
			continue
		}
		name := firstOf(f.name, f.media)
		names = append(names, fmt.Sprintf("%s, %d kB", excerpt(name), (len(f.body)+999)/1000))
		sum += len(f.body)
		i.file(name, ending(f.name))
		if ending(f.name) == "zip" || f.media == "application/zip" {
			i.archive(name, f.body)
		}
	}
	if len(names) == 0 {
		return
	}
	i.add("attachment_present", Info, count(len(names), "file travels", "files travel")+" along", names...)
	if len(names) > manyAttachments {
		i.add("attachments_many", Warning, fmt.Sprintf("%d files travel along", len(names)), names...)
	}
	if sum > refusedAttachment {
		i.add("attachments_heavy", Error, fmt.Sprintf("the files have %d MB; many servers refuse more than 10", sum/1_000_000), names...)
	} else if sum > heavyAttachments {
		i.add("attachments_heavy", Warning, fmt.Sprintf("the files have %d kB; more than %d should be hosted", sum/1000, heavyAttachments/1000), names...)
	}
}

// inline tells what is part of the mail itself: an image that the HTML shows,
// and cards and dates, which programs offer to take over.
func (i *inspection) inline(f *part) bool {
	switch f.media {
	case "text/calendar", "text/vcard", "text/x-vcard", "text/directory":
		return true
	case "application/pgp-signature", "application/pkcs7-signature", "application/x-pkcs7-signature":
		return true
	}
	if strings.HasPrefix(f.media, "text/") && !f.kept && f.name == "" {
		return true
	}
	shown := i.html != nil && strings.Contains(i.html.text, "cid:"+f.cid)
	return f.cid != "" && (!f.kept || shown) && strings.HasPrefix(f.media, "image/")
}

// file judges a file by the ending of its name.
func (i *inspection) file(where, ending string) {
	switch {
	case executables()[ending]:
		i.add("attachment_executable", Error, "a file can run, or hides one that can; providers refuse the mail", excerpt(where))
	case riskyFiles()[ending]:
		i.add("attachment_risky", Warning, "a file may carry macros or scripts, or cannot be looked into; many filters refuse it", excerpt(where))
	}
}

// archive looks at the names within a zip, which are readable even when it is
// encrypted.
func (i *inspection) archive(name string, body []byte) {
	z, err := zip.NewReader(bytes.NewReader(body), int64(len(body)))
	if err != nil {
		i.add("attachment_risky", Warning, "a file may carry macros or scripts, or cannot be looked into; many filters refuse it", excerpt(name))
		return
	}
	for n, f := range z.File {
		if n == maxEntries {
			return
		}
		i.file(name+" › "+strings.ToValidUTF8(f.Name, "�"), ending(f.Name))
		if f.Flags&1 != 0 {
			i.add("attachment_encrypted", Warning, "a zip is encrypted; filters cannot look into it", excerpt(name))
		}
	}
}

// ending is that of a file name, in lower case, without the dot.
func ending(name string) string {
	return strings.ToLower(strings.TrimPrefix(path.Ext(strings.TrimRight(name, ". ")), "."))
}
