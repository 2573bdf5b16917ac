/*
 * parallel_order.c
 *		Transactions on several connections to one target; see parallel_order.h.
 *
 * The unit of parallelism is the target transaction: a run of whole source transactions, as a batch
 * is.  While there is a backlog one batch after the other goes to the next connection (lane), and
 * all of them commit in order.  Rows of a batch that no batch in flight on another lane writes are
 * sent at once, before the batch's turn; then comes the wait for the turn, in the server; behind it the
 * rest and the commit.
 *
 * Why not smaller pieces: net changes and many rows in a statement are what makes a batch fast, and
 * single source transactions would have neither.  Why not parts of one batch on several lanes: they
 * could not commit together, and a source transaction would be visible in halves.  Why not groups of
 * transactions that are independent of each other: they would commit out of order, and then no
 * single position says what is there.  Why not hold back a whole batch that shares a row with
 * another: with hot rows (a counter, pgbench's branches) every batch does, and nothing would ever
 * be parallel; so it is decided for each net row.
 *
 * What may go before the turn.  A net row of a table whose only unique index is the key's, that no
 * trigger or rule fires for, that is not applied in order, and that no earlier transaction in flight
 * on another lane has written (write_set.h), nor its table as a whole.  Such a row is touched by
 * nobody between now and the turn, so that it makes no difference when it is.  Everything else
 * waits: tables with a further unique or exclusion constraint, whose old values are not known;
 * tables without key; rows in order; truncates, bookkeeping.  Foreign keys tie nothing together:
 * their triggers do not fire in a session that is replica, and where somebody made them fire always
 * the table has a trigger that fires.  A reader sees parent and child as the source's commits had
 * them, because commits are in order.
 *
 * The turn.  Every transaction that another lane may have to wait for takes, as it begins, an
 * advisory lock under its number, which goes with its end.  The one behind it, when it is on another
 * lane, waits for that lock and then looks whether the one before has really committed: its origin's
 * progress, or the progress row, is not before that one's end. (In this order, for an
 * origin moves on before its transaction's rows can be seen, and locks go after that.)  If not, it fails, so that nothing can commit behind
 * a gap, whatever has become of the one before - an error, a terminated backend, a lost connection.
 * A COMMIT that the client withholds instead would be a wait that the server's deadlock detector
 * does not see.
 *
 * Positions.  Each lane has its own replication origin; the greatest of them is the job's position,
 * as commits are ordered, in the WAL too: whatever a crash leaves is a prefix.
 *
 * Mispredictions.  Two batches may get into each other's way all the same: keys that differ in bytes
 * and are equal for the server, an index made on the target meanwhile.  Nothing of that can
 * succeed with another result.  Both lock the row they write; whoever comes second waits for the
 * first, and if that is the wrong order the first waits for its turn: a deadlock (case 1), which
 * the server ends.  Or a row is not there yet, or still there, and an update, delete or insert
 * fails by its number of rows or its key; before the turn a delete that finds nothing is a failure
 * too.  Then everything from the failed transaction on is rolled back on every lane, and goes anew
 * one after another: each begins when the one before has committed.  Only what fails then has
 * failed.  For a while afterwards everything stays on one lane, for longer with every misprediction.
 *
 * Deadlocks:
 *	1. N holds a row lock that M < N waits for, and N waits for its turn, so for M.  Both waits are in
 *	   the server.  Whichever of them is ended, both start anew, N behind M.
 *	2. The same through a session of somebody else: N holds a row that he waits for, he holds one that
 *	   M waits for.  The server ends one of the three.  If it is he, all is well.
 *	3. N waits for its turn and M has not begun, because it is behind L on its lane, and L waits for a row of
 *	   N: nobody holds M's lock yet, so the server sees no circle.  Lanes are taken in rotation, so
 *	   that when N begins what is in front of M has committed; and where the rotation starts, N does not
 *	   begin before that.  Therefore it cannot be.  Against all else N gives up after seconds (dts.target_follow).
 *	4. M failed and goes anew while N holds rows that it needs, and N's wait has not seen it: M begins
 *	   only when every lane has rolled back what is behind it.
 *	   A piece of a large transaction that is repeated behind a savepoint is another matter: the
 *	   transaction is not over, others still wait for it, and what they have sent must not be given
 *	   up, because it may yet commit.
 *	5. A truncate waits for a lock on its table that N holds since before its turn.  N is behind the
 *	   truncate, which counts as a write of everything, so N has not touched that table.
 */
#include "parallel_order.h"

#include <string.h>

#define CALM_MIN 16
#define CALM_MAX 1024

void
parallel_order_init(ParallelOrder *order, int lanes)
{
	memset(order, 0, sizeof(*order));
	order->lanes = lanes;
	order->opened = lanes;
	order->calm_next = CALM_MIN;
	order->rows_min = PARALLEL_ROWS_MIN;
}

int
parallel_order_lane(const ParallelOrder *order, int64_t number)
{
	return order->lane[number & (PARALLEL_WINDOW - 1)];
}

bool
parallel_order_announced(const ParallelOrder *order, int64_t number)
{
	return order->announced[number & (PARALLEL_WINDOW - 1)];
}

/* Whether nothing is in front of the transaction on its lane. */
static bool
is_first(const ParallelOrder *order, int64_t number)
{
	int lane = parallel_order_lane(order, number);

	for (int64_t n = order->committed + 1; n < number; n++)
	{
		if (parallel_order_lane(order, n) == lane)
			return false;
	}
	return true;
}

int
parallel_order_choose(const ParallelOrder *order)
{
	int64_t in_flight = order->newest - order->committed;
	int lane = order->newest > 0 ? parallel_order_lane(order, order->newest) : 0;

	if (in_flight >= PARALLEL_WINDOW || order->barrier > order->committed)
		return -1;
	if (lane >= order->lanes)
		return in_flight > 0 ? -1 : 0;
	if (in_flight == 0 || order->lanes == 1 || order->serial > order->committed ||
	    order->newest <= order->calm || order->rows < order->rows_min ||
	    !parallel_order_announced(order, order->newest))
		return lane;
	return (lane + 1) % order->lanes;
}

int64_t
parallel_order_next(ParallelOrder *order, int lane)
{
	bool large = order->rows >= order->rows_min;
	int before = order->newest > 0 ? parallel_order_lane(order, order->newest) : lane;
	int64_t number = ++order->newest;

	order->starts[number & (PARALLEL_WINDOW - 1)] = lane != before && !order->rotating;
	order->rotating = lane != before;
	order->lane[number & (PARALLEL_WINDOW - 1)] = (uint8_t) lane;
	order->announced[number & (PARALLEL_WINDOW - 1)] = large && order->lanes > 1;
	order->rows = 0;
	return number;
}

bool
parallel_order_follows(const ParallelOrder *order, int64_t number)
{
	return number - 1 > order->committed &&
	       parallel_order_lane(order, number - 1) != parallel_order_lane(order, number);
}

bool
parallel_order_followed(const ParallelOrder *order, int64_t number)
{
	for (int64_t n = number + 1; n <= order->newest; n++)
	{
		if (parallel_order_lane(order, n) != parallel_order_lane(order, number))
			return true;
	}
	return false;
}

bool
parallel_order_waits(const ParallelOrder *order, int lane, int64_t writer)
{
	return writer > order->committed && parallel_order_lane(order, writer) != lane;
}

bool
parallel_order_may_begin(const ParallelOrder *order, int64_t number)
{
	if (number > order->serial)
		return !order->starts[number & (PARALLEL_WINDOW - 1)] || is_first(order, number - 1);
	if (number != order->committed + 1)
		return false;
	for (int lane = 0; lane < order->opened; lane++)
	{
		if (order->restart[lane] > 0 && order->restart[lane] <= number)
			return false;
	}
	return true;
}

void
parallel_order_committed(ParallelOrder *order, int64_t number)
{
	if (order->committed < number)
		order->committed = number;
	/* a long time without another one */
	if (order->committed > order->calm + 4 * order->calm_next)
		order->calm_next = CALM_MIN;
}

void
parallel_order_failed(ParallelOrder *order, int64_t number, bool mispredicted)
{
	order->serial = order->newest;
	if (mispredicted)
	{
		order->calm = order->newest + order->calm_next;
		order->calm_next = order->calm_next * 2 > CALM_MAX ? CALM_MAX : order->calm_next * 2;
	}
	parallel_order_restarted(order, parallel_order_lane(order, number));
	for (int lane = 0; lane < order->opened; lane++)
	{
		if (lane == parallel_order_lane(order, number))
			continue;
		if (order->restart[lane] == 0 || order->restart[lane] > number)
			order->restart[lane] = number;
		order->restarts++;
	}
}

bool
parallel_order_restarts(const ParallelOrder *order, int lane, int64_t head)
{
	return order->restart[lane] > 0 && (head == 0 || head > order->restart[lane]);
}

void
parallel_order_restarted(ParallelOrder *order, int lane)
{
	order->restarts += order->restart[lane] > 0;
	order->restart[lane] = 0;
}
