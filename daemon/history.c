#include "daemon/history.h"

#include "common/glib/keyset.h"
#include "common/std/endpoint.h"

typedef struct {
    MeshKey wg;
    GArray *steps; /* MeshdHistoryStep, oldest first */
} Record;

struct MeshdHistory {
    GHashTable *records; /* &Record.wg → owned Record */
};

static void clear_step(gpointer step)
{
    g_clear_pointer(&((MeshdHistoryStep *)step)->relay, g_ref_string_release);
}

static void free_record(gpointer data)
{
    Record *record = data;

    g_array_unref(record->steps);
    g_free(record);
}

MeshdHistory *meshd_history_new(void)
{
    MeshdHistory *self = g_new0(MeshdHistory, 1);

    self->records = g_hash_table_new_full(mesh_keyset_hash, mesh_keyset_equal, NULL, free_record);
    return self;
}

void meshd_history_free(MeshdHistory *self)
{
    if (self == NULL)
        return;
    g_hash_table_unref(self->records);
    g_free(self);
}

static const MeshdHistoryStep *get_last(const Record *record)
{
    return &g_array_index(record->steps, MeshdHistoryStep, record->steps->len - 1);
}

static void forget_oldest(MeshdHistory *self)
{
    GHashTableIter iter;
    gpointer       value;
    const Record  *oldest = NULL;

    g_hash_table_iter_init(&iter, self->records);
    while (g_hash_table_iter_next(&iter, NULL, &value))
        if (oldest == NULL || get_last(value)->time_us < get_last(oldest)->time_us)
            oldest = value;
    if (oldest != NULL)
        g_hash_table_remove(self->records, &oldest->wg);
}

static Record *add_record(MeshdHistory *self, const MeshKey *wg)
{
    Record *record = g_new0(Record, 1);

    if (g_hash_table_size(self->records) >= MESHD_HISTORY_PEERS)
        forget_oldest(self);
    record->wg = *wg;
    record->steps = g_array_sized_new(false, false, sizeof(MeshdHistoryStep), 4);
    g_array_set_clear_func(record->steps, clear_step);
    g_hash_table_insert(self->records, &record->wg, record);
    return record;
}

/* Takes the reference to the relay's name in @step. */
static void add_step(Record *record, const MeshdHistoryStep *step)
{
    if (record->steps->len >= MESHD_HISTORY_STEPS)
        g_array_remove_index(record->steps, 0);
    g_array_append_vals(record->steps, step, 1);
}

static bool is_live(PathKind kind)
{
    return kind >= PATH_RELAY;
}

static bool is_news(const MeshdHistoryStep *last, const MeshdHistoryStep *now)
{
    return last->kind != now->kind || g_strcmp0(last->relay, now->relay) != 0 ||
           !mesh_endpoint_equal(&last->endpoint, &now->endpoint);
}

void meshd_history_note(MeshdHistory *self, const MeshKey *wg, const PathInfo *now)
{
    Record          *record = g_hash_table_lookup(self->records, wg);
    MeshdHistoryStep step = { .time_us = g_get_real_time(), .kind = now->kind };

    if (record == NULL && (now->kind == PATH_NONE || now->kind == PATH_IDLE))
        return;
    if (is_live(now->kind))
        step.endpoint = now->wire.endpoint;
    if (is_live(now->kind) && now->relay != NULL)
        step.relay = g_ref_string_new_intern(now->relay);
    if (record == NULL)
        record = add_record(self, wg);
    else if (!is_news(get_last(record), &step)) {
        clear_step(&step);
        return;
    }
    add_step(record, &step);
}

void meshd_history_end(MeshdHistory *self)
{
    GHashTableIter   iter;
    gpointer         value;
    MeshdHistoryStep step = { .time_us = g_get_real_time(), .kind = PATH_NONE };

    g_hash_table_iter_init(&iter, self->records);
    while (g_hash_table_iter_next(&iter, NULL, &value))
        if (is_news(get_last(value), &step))
            add_step(value, &step);
}

const MeshdHistoryStep *meshd_history_get(MeshdHistory *self, const MeshKey *wg, size_t *out_n)
{
    Record *record = g_hash_table_lookup(self->records, wg);

    if (record == NULL)
        return NULL;
    *out_n = record->steps->len;
    return (const MeshdHistoryStep *)(const void *)record->steps->data;
}
