/* tests/server/api/client.h: an HTTPS client of one connection that signs as a node does. */
#pragma once

#include "common/proto/reqsign.h"
#include "server/core/core.h"

#include <glib.h>

typedef struct Client Client;

typedef struct {
    unsigned status;
    char    *head; /* owned, with its empty line */
    char    *body; /* owned; of a chunked answer the bytes of all chunks */
} Answer;

Client *client_new(unsigned port);
void    client_free(Client *self); /* closes */

/* Who signs; a random key at first. @offset_s: how wrong its clock is. */
MeshKey client_get_node(const Client *self);
void    client_set_clock(Client *self, int64_t offset_s);
void    client_set_server(Client *self, const char *fingerprint);

void client_send(Client *self, const char *bytes); /* as they are */

/* Sends a signed request; @query NULL: none. */
void client_ask(Client *self, const char *method, const char *target, const char *body);

/* Reads one whole answer; free with answer_clear(). */
Answer client_read(Client *self);
void   answer_clear(Answer *answer);

/* A chunked answer piece by piece: its head (status), then chunk by chunk; NULL: the end. */
unsigned client_read_head(Client *self);
char    *client_read_chunk(Client *self);

/* True: the server closed the connection, and nothing came before. */
bool client_read_end(Client *self);
