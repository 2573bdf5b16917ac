/*
 * options.h
 *		The options of an endpoint's connection: which exist, which are secret, what they may hold.
 */
#ifndef DTS_OPTIONS_H
#define DTS_OPTIONS_H

#include "postgres.h"

#include "lib/stringinfo.h"

typedef enum Engine
{
	ENGINE_POSTGRESQL,
	ENGINE_MARIADB,
	ENGINE_COUNT
} Engine;

/* Where an option is stored. */
typedef enum OptionPlace
{
	PLACE_NOWHERE, /* no such option */
	PLACE_SERVER,  /* the foreign server, readable by everybody */
	PLACE_MAPPING, /* the user mapping: who the daemon is, and secrets */
} OptionPlace;

extern const char *engine_name(Engine engine);
extern const char *engine_wrapper(Engine engine);

/* Looks a name up, -1 when there is no such engine. */
extern int engine_find(const char *name);

extern OptionPlace option_place(Engine engine, const char *name);

/* The names of the options that belong there, comma-separated, for hints. */
extern char *option_list(Engine engine, OptionPlace place);

/* Raises an error when the value cannot be one of that option's; the value of a secret is not shown. */
extern void option_check_value(Engine engine, const char *name, const char *value);

/*
 * Splits a connection string into options of the server and of the user mapping, lists of DefElem
 * with String values.  Errors never repeat what may be a secret.
 */
extern void conninfo_split(Engine engine, const char *conninfo, List **server, List **mapping);

#endif /* DTS_OPTIONS_H */
