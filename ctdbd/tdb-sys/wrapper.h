/* Input of bindgen: everything of libtdb that the safe wrapper may use. */
#include <sys/types.h>
#include <fcntl.h>
#include <signal.h>
#include <stdbool.h>
#include <stdint.h>
#include <tdb.h>

/*
 * Exported by libtdb.so since 1.2.10 but declared in no installed header:
 * note a transaction write lock that a helper process holds for this one.
 */
int tdb_transaction_write_lock_mark(struct tdb_context *tdb);
int tdb_transaction_write_lock_unmark(struct tdb_context *tdb);
