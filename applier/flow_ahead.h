/*
 * flow_ahead.h
 *		Between flow.c and flow_ahead.c; nobody else includes this.
 */
#ifndef DTS_FLOW_AHEAD_H
#define DTS_FLOW_AHEAD_H

#include "flow.h"

/* flow.c: hands over what is whole, and waits until everything handed over is answered. */
TargetResult flow_come_to_rest(Flow *flow, Error *err);

/*
 * Events of the transaction that goes ahead.  BEGIN leaves ahead.commits unset when the transaction's
 * changes come after all.
 */
TargetResult flow_ahead_change(Flow *flow, const SourceEvent *event, Error *err);
TargetResult flow_ahead_begin(Flow *flow, Error *err);
TargetResult flow_ahead_commit(Flow *flow, const SourceEvent *event, Error *err);
void flow_ahead_revoked(Flow *flow);

/* It waits for its commit after all. */
void flow_ahead_give_up(Flow *flow);

/* Gives it up when others wait for it. */
void flow_ahead_look(Flow *flow);

#endif /* DTS_FLOW_AHEAD_H */
