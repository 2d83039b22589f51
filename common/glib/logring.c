#include "common/glib/logring.h"

#include <string.h>

typedef struct {
    MeshLogringLine line;
    char            text[];
} Entry;

static struct {
    GMutex   mutex; /* everything below; taken after that of log.c */
    GQueue  *lines; /* owned Entry, oldest first; NULL: not started */
    uint64_t newest;
    size_t   bytes;
} ring;

static size_t get_size(const Entry *entry)
{
    return strlen(entry->text) + 1;
}

void mesh_logring_start(void)
{
    g_mutex_lock(&ring.mutex);
    if (ring.lines == NULL)
        ring.lines = g_queue_new();
    g_mutex_unlock(&ring.mutex);
}

static Entry *make_entry(MeshLogLevel level, const char *text)
{
    size_t size = MIN(strlen(text), (size_t)MESH_LOGRING_MAX_BYTES / 4) + 1;
    Entry *entry = g_malloc(sizeof *entry + size);

    g_strlcpy(entry->text, text, size);
    entry->line = (MeshLogringLine){
        .serial = ring.newest, .time_us = g_get_real_time(), .level = level, .text = entry->text
    };
    return entry;
}

static void drop_oldest(void)
{
    Entry *entry = g_queue_pop_head(ring.lines);

    ring.bytes -= get_size(entry);
    g_free(entry);
}

void mesh_logring_put(MeshLogLevel level, const char *text)
{
    Entry *entry;

    g_mutex_lock(&ring.mutex);
    if (ring.lines != NULL) {
        ring.newest++;
        entry = make_entry(level, text);
        ring.bytes += get_size(entry);
        g_queue_push_tail(ring.lines, entry);
        while (g_queue_get_length(ring.lines) > MESH_LOGRING_MAX_LINES ||
               ring.bytes > MESH_LOGRING_MAX_BYTES)
            drop_oldest();
    }
    g_mutex_unlock(&ring.mutex);
}

uint64_t mesh_logring_walk(uint64_t serial, unsigned limit, MeshLogringFunc each, void *user_data)
{
    uint64_t newest;

    g_mutex_lock(&ring.mutex);
    newest = ring.newest;
    for (GList *at = ring.lines != NULL ? ring.lines->head : NULL; at != NULL && limit > 0;
         at = at->next) {
        const Entry *entry = at->data;

        if (entry->line.serial <= serial)
            continue;
        each(&entry->line, user_data);
        limit--;
    }
    g_mutex_unlock(&ring.mutex);
    return newest;
}

const char *mesh_logring_name_level(MeshLogLevel level)
{
    static const char *const names[] = {
        [MESH_LOG_ERROR] = "error", [MESH_LOG_WARNING] = "warning", [MESH_LOG_NOTICE] = "notice",
        [MESH_LOG_INFO] = "info",   [MESH_LOG_DEBUG] = "debug",
    };

    return level >= MESH_LOG_ERROR && level <= MESH_LOG_DEBUG ? names[level] : "error";
}
