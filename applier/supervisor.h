/*
 * supervisor.h
 *		The daemon's first process: claims jobs and keeps one worker process for each, and the
 *		processes of watch.h.
 */
#ifndef DTS_SUPERVISOR_H
#define DTS_SUPERVISOR_H

#include "settings.h"

/* Runs until told to end.  Takes the settings over.  Returns the daemon's exit status. */
int supervisor_run(const SettingsSource *source, Settings *settings);

#endif /* DTS_SUPERVISOR_H */
