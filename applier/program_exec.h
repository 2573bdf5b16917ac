/*
 * program_exec.h
 *		Which program of a name is meant.
 */
#ifndef DTS_PROGRAM_EXEC_H
#define DTS_PROGRAM_EXEC_H

/*
 * Becomes the program argv[0]: the one beside this daemon's own, most likely the server's version
 * of it, or else the one on PATH.  Returns only when neither can be run; errno says why.
 */
void program_exec(const char *const *argv);

#endif /* DTS_PROGRAM_EXEC_H */
