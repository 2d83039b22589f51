/* common/glib/reason.h: what meshd says of a peer's path, in the user's language. Thread: any.
 *
 * meshd speaks English, and names each reason with a code beside (data/dbus, Why and ListPeers). A
 * code that is newer than this program, and a language without translation, leave meshd's own text,
 * which tells more: the endpoints that were tried. */
#pragma once

#include <glib.h>
#include <stdbool.h>

/** mesh_reason_get_english: what a code stands for, without names and endpoints; NULL: not known.
 */
const char *mesh_reason_get_english(const char *code);

/** mesh_reason_dup_peer: of a peer, as in ListPeers, why it is not reached directly; owned.
 * @code, @text: "reason-code" and "reason"; @path, @relay: as there */
char *mesh_reason_dup_peer(const char *code, const char *text, const char *path, const char *relay);

/** mesh_reason_dup_why: the sentence of @why, an answer of Why (a{sv}); owned. */
char *mesh_reason_dup_why(GVariant *why);

/** mesh_reason_dup_remedy: the same of what would help; "": nothing. Owned. */
char *mesh_reason_dup_remedy(GVariant *why);
