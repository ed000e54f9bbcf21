// Package importer reads uploaded CSV files as a stream, as people's programs write
// them, in memory bounded by the longest record allowed. It knows nothing of
// subscribers: columns and fields only.
//
// The order of steps:
//
//  1. [NewReader] looks at the first 64 KiB. It settles the encoding (byte order
//     mark, NUL pattern of UTF-16, valid UTF-8, else Latin-1) and the delimiter
//     (comma, semicolon, tab, bar), and reads the header line.
//  2. [Reader.Next] gives one record after the other. A [*RecordError] is about one
//     record only, and reading goes on; any other error ends the file.
//  3. [Reader.State], taken at any record, lets [Resume] go on from there, in
//     another process too.
//
// Records are those of RFC 4180, read with a soft eye: lines end with LF, CRLF or
// CR, empty lines do not count, missing last fields are empty, empty fields too
// many do not matter, space around quotes is dropped, a quote inside an unquoted
// field stands for itself.
//
// Where quotes go wrong (text after a closing quote, or none within the longest
// record), only the first line of that record is given up. Up to the place where
// the mistake was noticed, quotes must then close on their own line. So one stray
// quote costs one line, and the work stays in proportion to the file.
package importer
