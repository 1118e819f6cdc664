#ifndef DRIFTD_TESTS_UNIT_SKIP_H
#define DRIFTD_TESTS_UNIT_SKIP_H
/* A test that cannot run here says why; tests/checks/unit shows it, and fails a skip() without a reason. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

/* `why` is a string literal. */
#define skip_because(why)                                                                                    \
    do {                                                                                                     \
        print_message("not run: %s: " why "\n", __func__);                                                   \
        skip();                                                                                              \
    } while (0)

#endif
