/* common/std/tlsgcm.h: AES-128-GCM for OpenSSL's TLS records by Intel's ipsec-mb, where it has been
 * built in and the processor has vector AES: a third of the time of OpenSSL 3.0.
 *
 * A provider inside of this process. It knows what TLS asks for and no more: a key, a nonce of 12
 * bytes, one piece of additional data and one of text. Who does not ask for it by its property gets
 * OpenSSL's own. */
#pragma once

/* Any thread; after loop_init_memory() where that is called. Returns: the property query for
 * SSL_CTX_new_ex(); NULL: OpenSSL's own it is. Static. */
const char *mesh_tlsgcm_get_query(void);
