/* common/proto/netmapnews.h: what changed of a MeshNetmap since it was saved, as a text of its own:
 * of ten thousand peers a change is a line or two. Part of netmap.h. */
#pragma once

#include "common/proto/netmap.h"

/* The change as JSON lines, which mesh_netmap_take_news() makes of the saved map. Owned text; NULL:
 * so much changed that the whole is to be saved, mesh_netmap_encode(). A new map and a copy of it
 * are all news; what mesh_netmap_decode() gave is none. */
char *mesh_netmap_encode_news(const MeshNetmap *self, size_t *out_len);

/* It is saved, or will be: nothing is news from here on. */
void mesh_netmap_forget_news(const MeshNetmap *self);

/* The text back into the map that was saved; false: MESH_ERROR_BAD_JSON, and the map is not to be
 * used as it is half changed. */
bool mesh_netmap_take_news(MeshNetmap *self, const char *text, size_t len, GError **error);
