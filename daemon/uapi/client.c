/* daemon/uapi/client.c: one connection of the socket; see client.h. */
#include "daemon/uapi/client.h"

#include <errno.h>
#include <poll.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#define READS_PER_TURN 64

void uapi_client_open(UapiClient *self, int fd, const UapiHandler *handler)
{
    *self = (UapiClient){ .fd = fd, .handler = handler };
}

void uapi_client_close(UapiClient *self)
{
    if (self->fd >= 0)
        close(self->fd);
    uapi_text_done(&self->out);
    uapi_request_end(&self->draft);
    mesh_key_wipe(self->in, sizeof self->in);
    *self = (UapiClient){ .fd = -1 };
}

short uapi_client_events(const UapiClient *self)
{
    return self->out.len > 0 ? POLLOUT : POLLIN; /* answers are read before requests are */
}

static void finish_request(UapiClient *self)
{
    int error = self->error;

    if (error == 0 && self->request == UAPI_CLIENT_GET)
        self->handler->get(self->handler->data, &self->out);
    if (error == 0 && self->request == UAPI_CLIENT_SET) {
        uapi_request_finish(&self->draft);
        error = self->handler->apply(self->handler->data, &self->draft);
    }
    uapi_request_end(&self->draft);
    uapi_reply_write_errno(&self->out, error);
    self->request = UAPI_CLIENT_IDLE;
    self->error = 0;
}

/* The first line of a request. */
static bool begin_request(UapiClient *self, const char *line)
{
    if (strcmp(line, "get=1") == 0) {
        self->request = UAPI_CLIENT_GET;
        return true;
    }
    if (strcmp(line, "set=1") == 0) {
        self->request = UAPI_CLIENT_SET;
        self->error = uapi_request_begin(&self->draft, self->handler->state);
        return true;
    }
    return false;
}

static bool take_line(UapiClient *self, const char *line)
{
    if (self->request == UAPI_CLIENT_IDLE)
        return *line == '\0' || begin_request(self, line);
    if (*line == '\0') {
        finish_request(self);
        return true;
    }
    if (self->error != 0)
        return true; /* the rest is read and answered by the first error */
    if (self->request == UAPI_CLIENT_GET)
        self->error = -EINVAL; /* get has no lines */
    else
        self->error = uapi_request_take(&self->draft, line);
    return true;
}

/* Takes whole lines off the buffer until one of them is answered: a client cannot make us pile
 * answers up. False: something that is no request; answered, and nothing more is taken. */
static bool take_lines(UapiClient *self)
{
    char *line = self->in, *end = self->in + self->n_in, *newline = NULL;
    bool  good = true;

    while (good && self->out.len == 0) {
        newline = memchr(line, '\n', (size_t)(end - line));
        if (newline == NULL)
            break;
        *newline = '\0';
        good = newline - line <= UAPI_MAX_LINE && line + strlen(line) == newline &&
               take_line(self, line);
        line = newline + 1;
    }
    if (newline == NULL && end - line > UAPI_MAX_LINE)
        good = false;
    if (!good && self->out.len == 0)
        uapi_reply_write_errno(&self->out, -EINVAL);
    self->n_in = good ? (size_t)(end - line) : 0;
    memmove(self->in, line, self->n_in);
    mesh_key_wipe(self->in + self->n_in, sizeof self->in - self->n_in);
    return good;
}

static void read_some(UapiClient *self)
{
    for (int i = 0; i < READS_PER_TURN && self->out.len == 0 && !self->ending; i++) {
        ssize_t n = read(self->fd, self->in + self->n_in, sizeof self->in - self->n_in);

        if (n < 0 && (errno == EAGAIN || errno == EINTR))
            return;
        if (n <= 0) {
            self->ending = true;
            return;
        }
        self->n_in += (size_t)n;
        self->ending = !take_lines(self);
    }
}

/* True: the client has read all. */
static bool write_some(UapiClient *self)
{
    while (self->n_written < self->out.len) {
        ssize_t n = send(self->fd, self->out.text + self->n_written,
                         self->out.len - self->n_written, MSG_NOSIGNAL);

        if (n < 0 && (errno == EAGAIN || errno == EINTR))
            return false;
        if (n < 0) { /* it is gone */
            self->ending = true;
            self->n_in = 0;
            break;
        }
        self->n_written += (size_t)n;
    }
    uapi_text_done(&self->out);
    self->n_written = 0;
    return true;
}

void uapi_client_handle(UapiClient *self, short events)
{
    if ((events & (POLLIN | POLLHUP | POLLERR)) != 0)
        read_some(self);
    while (self->out.error == 0 && self->out.len > 0) {
        if (!write_some(self))
            return;
        if (self->n_in > 0 && !take_lines(self)) /* requests that waited for this answer */
            self->ending = true;
    }
    if (self->ending || self->out.error != 0) /* out of memory: better no answer than half of one */
        uapi_client_close(self);
}
