// Package markup turns what a marketer writes into the HTML template that
// campaign/content compiles: once, when a campaign is saved or launched, never for a person.
// It is pure: no files, no network, and no clock but the time limit of MJML and the time after which its idle machines go.
//
// Markdown is goldmark's, in a frame that any mail program shows. A Compiler runs the real MJML
// compiler, which is kept in the folder mjml. Inline writes the rules of style elements into
// style attributes, and changes nothing else.
//
// # Liquid
//
// All three leave tags of the template language as they are, byte for byte, and never look into
// them: for Markdown and MJML each tag is a word that no source contains (see mask), for Inline
// a stretch of bytes that means nothing. A tag that would get lost is an error, not a surprise in the mail.
// What is wrong inside a tag is not found here. To report it at the line where the marketer wrote
// it, compile the source itself with campaign/content: tags are read there without regard to
// what stands between them.
//
// # Limits
//
// MJML has at most 256 KiB, Markdown 128 KiB, HTML for Inline and whatever comes out 1 MiB. What could
// grow faster than its source is counted before it is made: cells of tables, nesting, elements,
// attributes that MJML hands on, selectors times elements. So the time and memory of a hostile source are
// those of an honest one of the same size; MJML has a time limit on top.
package markup
