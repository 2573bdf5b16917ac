/*
 * engine_stats.h
 *		What the incremental engine counts, since its session on the target began.
 *
 * Plain counters: owned by the target, copied out with its status, never read back by the engine.
 * Names and order for SQL, logs and docs come from the lists below.
 */
#ifndef DTS_ENGINE_STATS_H
#define DTS_ENGINE_STATS_H

#include <stdint.h>

/* Why changes of a table were applied in source order, one statement each. */
#define ENGINE_ORDER_REASONS(X)                                                                    \
	X(ORDER_ASKED, "asked")             /* the session was told to keep to the order */            \
	X(ORDER_NO_KEY, "no_key")           /* no unique key of the target finds the row */            \
	X(ORDER_KEY_CHANGE, "key_change")   /* an update changed the key */                            \
	X(ORDER_SEQUENCE, "sequence")       /* changes of one key do not follow from each other */     \
	X(ORDER_TRIGGER, "trigger")         /* trigger or rule that fires for replicated rows */       \
	X(ORDER_PARTITIONED, "partitioned") /* the target's table is partitioned */                    \
	X(ORDER_IDENTITY, "identity")       /* GENERATED ALWAYS column outside of the key */           \
	X(ORDER_TRUNCATE, "truncate")                                                                  \
	X(ORDER_FEW, "few")               /* too few changes for it to pay */                          \
	X(ORDER_FAILED, "failed")         /* the batch failed and was repeated in order */             \
	X(ORDER_REMEMBERED, "remembered") /* the table's batches have failed a short while ago */

/* name, name in SQL */
#define ENGINE_COUNTERS(X)                                                                         \
	X(transactions, "transactions") /* of the target, committed and durable */                     \
	X(inserts, "inserts")           /* changes taken from the source */                            \
	X(updates, "updates")                                                                          \
	X(deletes, "deletes")                                                                          \
	X(truncates, "truncates")                                                                      \
	X(rows_net, "rows_net")             /* net rows sent in the batch path */                      \
	X(rows_single, "rows_single")       /* of these by a statement of their own */                 \
	X(rows_copied, "rows_copied")       /* of these by COPY */                                     \
	X(rows_ordered, "rows_ordered")     /* changes sent in order */                                \
	X(units, "units")                   /* pieces of transactions, repeated as a whole */          \
	X(units_repeated, "units_repeated") /* failed as a batch and were repeated in order */         \
	X(transactions_parallel, "transactions_parallel") /* begun before their turn on a lane */      \
	X(rows_early, "rows_early")           /* net rows of these that were sent before the turn */   \
	X(order_waits, "order_waits")         /* of these had to wait for their turn in the server */  \
	X(mispredictions, "mispredictions")   /* of these failed, and went anew one after another */   \
	X(ahead, "transactions_ahead")        /* applied while they were in progress on the source */  \
	X(ahead_dropped, "ahead_dropped")     /* so begun, and rolled back to wait for the commit */   \
	X(statements, "statements")           /* sent to the target */                                 \
	X(plan_us, "plan_us")                 /* in which units became statements, and were sent */    \
	X(bytes_in_flight, "bytes_in_flight") /* now: sent and not answered */                         \
	X(bytes_held, "bytes_held")           /* now: of units kept until they are answered */         \
	X(commit_wait_us, "commit_wait_us")   /* from handing a transaction over to its answer */      \
	X(busy_us, "busy_us")                 /* time in which the target had something to do */

#define ENGINE_ORDER_ENUM(name, text) name,
typedef enum EngineOrder
{
	ENGINE_ORDER_REASONS(ENGINE_ORDER_ENUM) ORDER_NONE /* the batch path; also their number */
} EngineOrder;
#undef ENGINE_ORDER_ENUM

#define ENGINE_COUNTER_FIELD(name, text) int64_t name;
typedef struct EngineStats
{
	ENGINE_COUNTERS(ENGINE_COUNTER_FIELD)
	int64_t ordered[ORDER_NONE]; /* tables of units by reason */
} EngineStats;
#undef ENGINE_COUNTER_FIELD

#endif /* DTS_ENGINE_STATS_H */
