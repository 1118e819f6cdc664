/*
 * What the libraries cost by themselves: a program that links what driftd links, makes one consumer, one
 * in-memory database, one event loop and one transfer handle, and does nothing with them. One line of JSON:
 * resident kB, before and after pages that only the start needed are let go (agent/base/resident.h).
 */
#include <curl/curl.h>
#include <event2/event.h>
#include <librdkafka/rdkafka.h>
#include <sqlite3.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "agent/base/resident.h"

static void print_resident(const char *when)
{
    char line[256];
    long all = 0, own = 0;
    FILE *status = fopen("/proc/self/status", "re");
    while (status && fgets(line, sizeof(line), status)) {
        (void)sscanf(line, "VmRSS: %ld", &all);
        (void)sscanf(line, "RssAnon: %ld", &own);
    }
    if (status)
        (void)fclose(status);
    (void)printf("\"%s_kb\":%ld,\"%s_anonymous_kb\":%ld", when, all, when, own);
}

int main(void)
{
    char reason[512];
    sqlite3 *db = NULL;
    struct event_base *base = event_base_new();
    CURLcode transfers = curl_global_init(CURL_GLOBAL_DEFAULT);
    CURL *transfer = curl_easy_init();
    rd_kafka_conf_t *conf = rd_kafka_conf_new();
    rd_kafka_conf_set_log_cb(conf, NULL);
    rd_kafka_t *consumer = rd_kafka_new(RD_KAFKA_CONSUMER, conf, reason, sizeof(reason));
    if (!base || transfers != CURLE_OK || !transfer || !consumer ||
        sqlite3_open(":memory:", &db) != SQLITE_OK ||
        sqlite3_exec(db, "CREATE TABLE t(a)", NULL, NULL, NULL) != SQLITE_OK)
        return 1;
    (void)usleep(200000); /* its threads have begun */
    (void)printf("{");
    print_resident("resident");
    resident_trim();
    (void)usleep(1500000);
    (void)printf(",");
    print_resident("trimmed");
    (void)printf("}\n");
    rd_kafka_destroy(consumer);
    curl_easy_cleanup(transfer);
    curl_global_cleanup();
    (void)sqlite3_close(db);
    event_base_free(base);
    return 0;
}
