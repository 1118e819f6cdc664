#ifndef DRIFTD_BASE_RESIDENT_H
#define DRIFTD_BASE_RESIDENT_H
/*
 * Memory that only the start needed. Some forty libraries run their constructors and are relocated: more than
 * half of the pages of code that this touches are never used again, but stay mapped and count as ours.
 */

/* At most so many heaps of malloc; each keeps what it once had. Before there are threads; may be raised. */
void resident_limit_heaps(int heaps);
/*
 * Hands back free memory of the heaps and unmaps pages of code and constants, of the program and its
 * libraries; those that are used come back from the page cache, at some 100 faults of a microsecond. Once,
 * when all has started. What was written is never touched.
 */
void resident_trim(void);

#endif
