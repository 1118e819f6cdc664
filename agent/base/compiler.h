#ifndef DRIFTD_BASE_COMPILER_H
#define DRIFTD_BASE_COMPILER_H
/* Attributes and tiny macros. Leaf header: includes nothing of ours. */

#define MUST_USE             __attribute__((warn_unused_result))
#define PRINTF_LIKE(fmt, va) __attribute__((format(printf, fmt, va)))
#define NO_RETURN            __attribute__((noreturn))
#define LIKELY(x)            __builtin_expect(!!(x), 1)
#define UNLIKELY(x)          __builtin_expect(!!(x), 0)
#define ARRAY_LEN(a)         (sizeof(a) / sizeof((a)[0]))

/* 128-bit sums; -Wpedantic wants the extension said once. */
__extension__ typedef __int128 int128;
__extension__ typedef unsigned __int128 uint128;

#endif
