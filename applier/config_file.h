/*
 * config_file.h
 *		The file that holds the control database's connection string.
 */
#ifndef DTS_CONFIG_FILE_H
#define DTS_CONFIG_FILE_H

#include "error.h"

/* The file's first line that is neither empty nor a comment, to be freed; NULL: err is filled. */
char *config_file_read(const char *path, Error *err) must_check;

#endif /* DTS_CONFIG_FILE_H */
