/* common/glib/language.h: the user's language, for programs that a person reads. */
#pragma once

/** mesh_language_init: takes the user's locale, and finds the texts of the domain "mesh" in his
 * language.
 * @installed: the folder of catalogues that the build installs to
 *
 * A program that was moved with its folder (a staged install, the tarball's prefix) has them beside
 * it: bin/../share/locale is looked for first. Thread: main, before any other.
 */
void mesh_language_init(const char *installed);
