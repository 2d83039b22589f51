/* tests/faults/cut.h: what a power cut may leave of a journal of disk.h, one disk after the other.
 */
#pragma once

#include "tests/faults/disk.h"

/* A new empty directory. Owned. */
char *cut_make_dir(void);

/* Removes @path and all below it. */
void cut_remove_tree(const char *path);

/* @dir holds what is left when the power goes before step @n; it is removed afterwards. */
typedef void (*CutCheck)(const char *dir, size_t n, DiskRest rest);

/* Every step of the @steps × every order in which names may have reached the disk × every fate of
 * the bytes. */
void cut_everywhere(size_t steps, CutCheck check);
