/*
 * version.h
 *		The version that daemon and control extension must share.
 */
#ifndef DTS_VERSION_H
#define DTS_VERSION_H

#define DTS_VERSION "1.0"

#endif /* DTS_VERSION_H */
