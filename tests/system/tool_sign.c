/* tool_sign ID TIMESTAMP SECRET…: prints the webhook-signature of standard input. For tests against other
 * implementations. */
#include <stdio.h>
#include <stdlib.h>

#include "alerting/webhook.h"

int main(int argc, char **argv)
{
    static char body[1 << 20], signature[96 * 8];
    if (argc < 4) {
        (void)fputs("usage: tool_sign ID TIMESTAMP SECRET...\n", stderr);
        return 2;
    }
    size_t len = fread(body, 1, sizeof(body), stdin);
    const char *const *secrets = (const char *const *)(argv + 3); /* NULL-terminated as argv is */
    int rc =
        webhook_sign(secrets, argv[1], strtoll(argv[2], NULL, 10), body, len, signature, sizeof(signature));
    if (rc) {
        (void)fprintf(stderr, "tool_sign: %s\n", err_name(rc));
        return 1;
    }
    return puts(signature) < 0;
}
