/*
 * settings.h
 *		The settings under which values become text and expressions are compiled and evaluated.
 */
#ifndef DTS_SETTINGS_H
#define DTS_SETTINGS_H

/*
 * Sets what is not as it has to be, until settings_restore() of the level that is returned.  A client
 * that set everything itself, as the applier does, pays nothing: the level is 0 then.  The end of a
 * transaction restores, too.
 */
extern int settings_fix(void);
extern void settings_restore(int level);

#endif /* DTS_SETTINGS_H */
