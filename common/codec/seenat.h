/* common/codec/seenat.h: an address as somebody saw it, 18 bytes in probes and relay frames
 * (docs/PATHS.md: *at*): port, then an IPv6 address; IPv4 as ::ffff:a.b.c.d, none as zeros.
 *
 * Any thread. A scope is not carried: what is seen from afar has none. */
#pragma once

#include "common/std/bytes.h"
#include "common/std/ip.h"
#include "common/std/writer.h"

#define MESH_SEENAT_BYTES 18u

void mesh_seenat_write(MeshWriter *w, const MeshEndpoint *endpoint); /* family 0: zeros */

/* Zeros give family 0 and port 0. Returns: false: ran out, nothing written. */
MESH_CHECKED bool mesh_seenat_read(MeshReader *r, MeshEndpoint *out_endpoint);
