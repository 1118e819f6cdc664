#ifndef DRIFTD_AGENT_STORE_ADMIN_H
#define DRIFTD_AGENT_STORE_ADMIN_H
/* What people do to a store from the command line. */
#include "agent/base/strbuf.h"
#include "agent/store.h"

/* A compact copy of the store at `from` as one file in rollback-journal mode, which needs no files beside it;
 * works while an agent writes the store. Written under a temporary name, synced, renamed. `replace` false: an
 * existing `to` is an error. */
int store_copy(const char *from, const char *to, bool replace, struct err *err) MUST_USE;

/* Opens and closes it, which brings it to this build's schema (store_open). */
int store_migrate_file(const char *path, int64_t *out_before, int64_t *out_after, struct err *err) MUST_USE;

/* Appends a line per check to `report`; ERR_CORRUPT when one failed. Reads everything: the whole file
 * (integrity_check), every pane, every view. */
int store_verify(const char *path, struct strbuf *report, struct err *err) MUST_USE;

struct audit_summary {
    int64_t entries;
    char head[65];     /* hash of the last entry; "" when there is none */
    int64_t broken_at; /* 0: none; else the first entry that does not follow */
    bool expected_found;
};
/* Walks the chain. `expect_seq` > 0: an entry with that number and that hash (hex) must be there. ERR_CORRUPT
 * with a sentence when it is broken. */
int store_verify_audit(const char *path, int64_t expect_seq, const char *expect_hash,
                       struct audit_summary *summary, struct err *err) MUST_USE;

enum outbox_action {
    OUTBOX_RETRY, /* dead → pending, with a fresh budget of attempts and time */
    OUTBOX_DROP   /* pending and dead → dropped: never sent */
};
/* An open, not started store. id or sink NULL: any. One audit record names what was done. *out_changed: how
 * many items it concerned. */
int store_outbox_act(struct store *store, enum outbox_action action, const char *id, const char *sink,
                     const char *actor, uint64_t *out_changed, struct err *err) MUST_USE;

#endif
