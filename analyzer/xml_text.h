/* SPDX-License-Identifier: MIT */
/* Text in XML. */
#ifndef XML_TEXT_H
#define XML_TEXT_H

#include <stdio.h>

/*
 * Prints `text` as content of an element or of an attribute in double quotes: & < > " are escaped,
 * tab and line end too, so that attributes keep them. What XML 1.0 cannot hold at all is dropped:
 * control bytes, U+FFFE and U+FFFF, surrogates, and bytes that are no UTF-8.
 */
void xml_text(FILE *, const char *text);

/* The same, tab and line end as they are: for the content of an element. */
void xml_lines(FILE *, const char *text);

/* <NAME>TEXT</NAME> */
void xml_element(FILE *, const char *name, const char *text);

/* NAME="TEXT" with a space in front */
void xml_attribute(FILE *, const char *name, const char *text);

#endif
