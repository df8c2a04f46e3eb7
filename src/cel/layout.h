/*-------------------------------------------------------------------------
 *
 * layout.h
 *	  Texts of dates and times, field by field.
 *
 * A layout is what a text looks like, with a per cent sign and a letter for each field:
 *
 *		%Y	year, four digits				%H	hour, one or two digits
 *		%y	year, two digits				%M	minute, two digits
 *		%m	month, two digits				%S	second, two digits, and perhaps a fraction
 *		%b	month, its first three letters	%o	"Z", or "+02:00"
 *		%d	day, two digits					%z	"+0200"
 *		%e	day, one or two digits			%Z	name of a zone
 *		%a	day of the week, three letters
 *		%A	day of the week, in full
 *
 * A blank stands for one or more.  What fields take is what they take in layouts of Go's package time.
 *
 * IDENTIFICATION
 *	  src/cel/layout.h
 *
 *-------------------------------------------------------------------------
 */
#ifndef INN_CEL_LAYOUT_H
#define INN_CEL_LAYOUT_H

/* Nothing here is seen outside of the library. */
#pragma GCC visibility push(hidden)

/* As it is written: the fields are numbers of as many digits, and not judged.  What is not written is 0. */
typedef struct CelReading
{
	int year;
	int month; /* from 1, as are days */
	int day;
	int hour;
	int minute;
	int second;
	int nanos;		/* 0 .. 999999999 */
	int offset_sec; /* of the zone, ahead of UTC: up to 25 hours either way */
} CelReading;

/* Does all of the text look like the layout?  If it does not, what *out holds is not defined. */
extern bool cel_layout_match(const char *layout, const char *text, size_t len, CelReading *out);

#pragma GCC visibility pop

#endif /* INN_CEL_LAYOUT_H */
