/*
 * error.h
 *		What went wrong: filled by the function that fails, reported once by the one that handles
 *it.
 *
 * A function that can fail returns false (or NULL) and fills an Error that its caller owns.  Layers
 *in between add context with error_context(); they do not report.  Texts never hold a secret or the
 *data of a row beyond its key.
 */
#ifndef DTS_ERROR_H
#define DTS_ERROR_H

#include <stdarg.h>
#include <stdbool.h>

#define must_check     __attribute__((warn_unused_result))

#define ERROR_TEXT_MAX 1024

typedef struct Error
{
	bool set;
	char sqlstate[6]; /* the server's, or one of the ERR_* below */
	char message[ERROR_TEXT_MAX];
	char detail[ERROR_TEXT_MAX];
	char hint[ERROR_TEXT_MAX];
	char context[ERROR_TEXT_MAX]; /* what we were doing: phase, table, LSN */
} Error;

/* SQLSTATEs of our own making; the others are PostgreSQL's. */
#define ERR_CONNECTION        "08006" /* libpq reported no SQLSTATE (decision 9) */
#define ERR_PROTOCOL          "08P01" /* the peer sent what the wire format does not allow */
#define ERR_INTERNAL          "XX000"
#define ERR_OUT_OF_MEMORY     "53200"
#define ERR_DISK              "53100"
#define ERR_CONFIG            "22023"
#define ERR_OBJECT_STATE      "55000"
#define ERR_NO_IDENTITY       "DTS01" /* change without a usable row identity */
#define ERR_ROW_MISSING       "DTS02" /* update found no row on the target */
#define ERR_FENCED            "DTS03" /* another daemon owns the job now */
#define ERR_LOST              "DTS04" /* slot, history or position lost: load again */
#define ERR_CHILD             "DTS05" /* a program or process of ours failed */
#define ERR_RELATION_MISMATCH "DTS06" /* the target's table cannot take the source's rows */
#define ERR_DDL               "DTS08" /* a command of the source cannot be followed */
#define ERR_REFUSED           "DTS09" /* a row filter or expression cannot be compiled or evaluated */
#define ERR_OUT_OF_TURN       "DTS10" /* the transaction before has not committed */
#define ERR_OUTDATED          "DTS11" /* what was read has changed meanwhile: worth another try */
#define ERR_KILLED            "DTS07" /* a process of ours was ended by a signal: worth another try */

void error_clear(Error *err);
void error_set(Error *err, const char *sqlstate, const char *format, ...)
    __attribute__((format(printf, 3, 4)));
void error_detail(Error *err, const char *format, ...) __attribute__((format(printf, 2, 3)));
void error_hint(Error *err, const char *format, ...) __attribute__((format(printf, 2, 3)));

/* Puts "what" in front of the context gathered so far. */
void error_context(Error *err, const char *format, ...) __attribute__((format(printf, 2, 3)));

#endif /* DTS_ERROR_H */
